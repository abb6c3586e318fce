"""Endpoints: the same quality as API keys."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from endpoints.models import Endpoint
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

from .person import OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser


def press(form: Locator, name: str) -> None:
    form.get_by_role("button", name=name, exact=True).click()


@pytest.mark.both_ways
def test_an_endpoint_is_created_edited_and_deleted(person: Person, make_key: MakeKey) -> None:
    make_key("my-openai-key")
    make_key("claude", "anthropic")
    person.goes_to("/endpoints/")
    form = person.opens("Create Endpoint")
    textbox(form, "Name").fill("Search Assistant")
    textbox(form, "Model").fill("gpt-5-mini")
    person.chooses_key(form, "API key", "my-openai-key")
    expect(form.get_by_label("Enabled")).to_be_checked()
    with person.sees_another_form(form):
        press(form, "Create")
    name = textbox(form, "Name")
    expect(name).to_have_accessible_description(re.compile("Use lower-case letters"))
    expect(form.get_by_role("combobox", name="API key")).to_have_value("my-openai-key")
    name.fill("search-assistant")
    press(form, "Create")

    person.is_told("Created search-assistant.")
    person.goes_to("/endpoints/")
    row = person.row("search-assistant")
    for text in ("gpt-5-mini", "Active"):
        expect(row.get_by_text(text, exact=True)).to_be_visible()
    expect(row.get_by_role("link", name="my-openai-key")).to_be_visible()

    form = person.opens("Edit search-assistant")
    expect(form.get_by_role("combobox", name="API key")).to_have_value("my-openai-key")
    person.chooses_key(form, "API key", "claude")
    textbox(form, "Model").fill("claude-sonnet-4-5")
    form.get_by_label("Enabled").uncheck()
    press(form, "Save")
    person.is_told("Saved search-assistant.")
    main = person.page.get_by_role("main")
    for text in ("claude-sonnet-4-5", "Anthropic", "Disabled"):
        expect(main.get_by_text(text, exact=True)).to_be_visible()

    form = person.opens("Delete")
    expect(form.get_by_role("textbox")).to_have_count(0)  # no client can call it
    press(form, "Delete")
    person.is_told("Deleted search-assistant.")
    expect(person.page.get_by_role("heading", name="No endpoints yet")).to_be_visible()


def test_an_active_endpoint_asks_for_its_name(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key())
    person.goes_to("/endpoints/?state=active")

    form = person.opens("Delete search")
    with person.sees_another_form(form):
        press(form, "Delete")
    expect(textbox(form, "Type the name of the endpoint")).to_have_accessible_description(
        re.compile("Type the name of the endpoint, search")
    )
    textbox(form, "Type the name of the endpoint").fill("search")
    press(form, "Delete")

    person.is_told("Deleted search.")


@pytest.mark.both_ways
def test_a_key_is_created_on_the_way_and_what_was_typed_is_still_there(person: Person) -> None:
    person.goes_to("/endpoints/")
    form = person.opens("Create Endpoint")
    textbox(form, "Name").fill("search")
    textbox(form, "Model").fill("gpt-5-mini")
    textbox(form, "Description").fill("For the site.")
    form.get_by_label("Enabled").uncheck()
    press(form, "Create API key")

    main = person.page.get_by_role("main")
    expect(main.get_by_role("heading", name="Create API Key")).to_be_visible()
    textbox(main, "Name").fill("made-on-the-way")
    person.chooses_provider(main, "OpenAI")
    textbox(main, "API key").fill(OPENAI_KEY)
    press(main, "Create")

    person.is_told("Created made-on-the-way.")
    expect(main.get_by_role("heading", name="Create Endpoint")).to_be_visible()
    expect(textbox(main, "Name")).to_have_value("search")
    expect(textbox(main, "Model")).to_have_value("gpt-5-mini")
    expect(textbox(main, "Description")).to_have_value("For the site.")
    expect(main.get_by_role("combobox", name="API key")).to_have_value("made-on-the-way")
    expect(main.get_by_label("Enabled")).not_to_be_checked()
    press(main, "Create")
    person.is_told("Created search.")
    endpoint = Endpoint.objects.get()
    assert endpoint.routes.first().api_key.name == "made-on-the-way"
    assert endpoint.description == "For the site."


def test_a_key_created_while_editing_an_endpoint_loses_no_edit(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key())
    person.goes_to("/endpoints/search/")
    form = person.opens("Edit")
    textbox(form, "Model").fill("gpt-6")
    textbox(form, "Description").fill("Typed before the key.")
    press(form, "Create API key")

    main = person.page.get_by_role("main")
    textbox(main, "Name").fill("fresh")
    person.chooses_provider(main, "OpenAI")
    textbox(main, "API key").fill(f"{OPENAI_KEY}2")
    press(main, "Create")

    expect(main.get_by_role("combobox", name="API key")).to_have_value("fresh")
    expect(textbox(main, "Model")).to_have_value("gpt-6")
    expect(textbox(main, "Description")).to_have_value("Typed before the key.")


def test_the_second_of_two_sees_a_conflict_on_edit_and_on_delete(
    person: Person,
    open_browser: OpenBrowser,
    kim: User,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", make_key(), enabled=False)
    colleague = open_browser(kim, scripts=person.scripts)
    other = open_browser(kim, scripts=person.scripts)
    for each in (person, colleague, other):
        each.goes_to("/endpoints/search/")
    mine, theirs = person.opens("Edit"), colleague.opens("Edit")
    others = other.opens("Delete")
    textbox(theirs, "Model").fill("gpt-6")
    press(theirs, "Save")
    colleague.is_told("Saved search.")

    textbox(mine, "Description").fill("Typed for minutes.")
    textbox(mine, "Model").fill("gpt-7")
    with person.sees_another_form(mine):
        press(mine, "Save")
    shown = mine.get_by_role("alert").filter(has_text="while you were editing")
    expect(shown).to_contain_text("Model")
    expect(mine.get_by_role("radio")).to_have_count(2)
    expect(textbox(mine, "Description")).to_have_value("Typed for minutes.")
    with other.sees_another_form(others):
        press(others, "Delete")
    expect(others.get_by_role("alert").filter(has_text="has changed since")).to_be_visible()
    assert Endpoint.objects.get().description == ""


def group(form: Locator, title: str) -> Locator:
    """Return the part of the form that is about one route."""
    return form.get_by_role("group", name=title, exact=True)


@pytest.mark.both_ways
def test_traffic_is_shared_and_fallbacks_are_put_in_order(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key("my-openai-key"))
    make_key("azure", "azure")
    make_key("claude", "anthropic")
    person.goes_to("/endpoints/search/")
    form = person.opens("Edit")

    form.get_by_text("Add a route or fallback").click()
    for model in ("claude-haiku", "claude-sonnet"):
        with person.sees_another_form(form):
            press(form, "Add a fallback")
        fallback = form.get_by_role("group", name="fallback").last
        expect(textbox(fallback, "Model")).to_be_focused()
        textbox(fallback, "Model").fill(model)
        person.chooses_key(fallback, "API key", "claude")
    with person.sees_another_form(form):
        press(form, "Move 2nd fallback up")
    expect(textbox(group(form, "1st fallback"), "Model")).to_have_value("claude-sonnet")
    expect(form.get_by_role("button", name="Move 1st fallback down")).to_be_focused()

    with person.sees_another_form(form):
        press(form, "Add a route")
    second = group(form, "Primary route 2")
    textbox(second, "Model").fill("gpt-5")
    person.chooses_key(second, "API key", "azure")
    second.get_by_label("Weight in %").fill("30")
    with person.sees_another_form(form):
        press(form, "Save")
    expect(form.get_by_role("alert")).to_contain_text(
        "The weights of the primary routes add up to 80. Make them 100."
    )
    expect(form.get_by_role("status").filter(has_text="80 of 100%")).to_be_visible()
    group(form, "Primary route 1").get_by_label("Weight in %").fill("70")
    press(form, "Save")

    person.is_told("Saved search.")
    rows = person.page.get_by_role("table").first.get_by_role("row")
    for number, texts in enumerate(
        [
            ("Primary 1", "gpt-5-mini", "my-openai-key", "70%"),
            ("Primary 2", "gpt-5", "azure", "30%"),
            ("1st fallback", "claude-sonnet", "claude"),
            ("2nd fallback", "claude-haiku", "claude"),
        ],
        start=1,
    ):
        for text in texts:
            expect(rows.nth(number).get_by_text(text, exact=True)).to_be_visible()


def test_a_key_created_for_a_fallback_lands_there(
    person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key())
    person.goes_to("/endpoints/search/edit/")
    main = person.page.get_by_role("main")
    main.get_by_text("Add a route or fallback").click()
    with person.sees_another_form(main):
        press(main, "Add a fallback")
    textbox(group(main, "1st fallback"), "Model").fill("gpt-5")
    press(main, "Create API key for 1st fallback")

    expect(main.get_by_role("heading", name="Create API Key")).to_be_visible()
    textbox(main, "Name").fill("fresh")
    person.chooses_provider(main, "OpenAI")
    textbox(main, "API key").fill(f"{OPENAI_KEY}2")
    press(main, "Create")

    fallback = group(main, "1st fallback")
    expect(fallback.get_by_role("combobox", name="API key")).to_have_value("fresh")
    expect(textbox(fallback, "Model")).to_have_value("gpt-5")
    first = group(main, "Primary route").get_by_role("combobox", name="API key")
    expect(first).to_have_value("my-openai-key")


def test_weights_are_added_up_as_they_are_typed_and_buttons_tell_what_they_did(
    open_browser: OpenBrowser, kim: User, make_key: MakeKey
) -> None:
    make_key()
    make_key("second")
    person = open_browser(kim)
    person.goes_to("/endpoints/")
    form = person.opens("Create Endpoint")
    textbox(form, "Name").fill("search")
    form.get_by_text("Add a route or fallback").click()

    press(form, "Add a route")
    expect(form.get_by_role("status").filter(has_text="Primary route 2 added.")).to_be_attached()
    weights = form.get_by_label("Weight in %")
    expect(form.get_by_role("status").filter(has_text="100 of 100%")).to_be_visible()
    weights.first.fill("25")
    expect(form.get_by_role("status").filter(has_text="75 of 100%")).to_be_visible()
    weights.last.fill("75")

    for title, key in (("Primary route 1", "my-openai-key"), ("Primary route 2", "second")):
        route = group(form, title)
        textbox(route, "Model").fill("gpt-5")
        route.get_by_role("combobox", name="API key").press_sequentially(key[:4])
        form.get_by_role("option", name=key).click()
    textbox(form, "Name").press("Enter")
    person.is_told("Created search.")
    weights_saved = Endpoint.objects.get().routes.values_list("weight", flat=True)
    assert list(weights_saved) == [25, 75]
