"""Endpoints: the same quality as API keys."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from endpoints.models import Endpoint
from tests.conftest import MakeEndpoint, MakeKey
from tests.made_up import OPENAI_KEY

from .person import OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser


def press(form: Locator, name: str) -> None:
    form.get_by_role("button", name=name, exact=True).click()


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
    expect(form.get_by_role("textbox")).to_have_count(0)  # nobody can call it
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
    assert endpoint.primary_route().api_key.name == "made-on-the-way"
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


def test_the_second_of_two_is_told_on_edit_and_on_delete(
    person: Person,
    open_browser: OpenBrowser,
    kim: User,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", make_key(), enabled=False)
    colleague = open_browser(kim, scripts=person.scripts)
    other = open_browser(kim, scripts=person.scripts)
    for somebody in (person, colleague, other):
        somebody.goes_to("/endpoints/search/")
    mine, theirs = person.opens("Edit"), colleague.opens("Edit")
    others = other.opens("Delete")
    textbox(theirs, "Model").fill("gpt-6")
    press(theirs, "Save")
    colleague.is_told("Saved search.")

    textbox(mine, "Description").fill("Typed for minutes.")
    with person.sees_another_form(mine):
        press(mine, "Save")
    expect(mine.get_by_role("alert").filter(has_text="The picture changed.")).to_contain_text(
        "model"
    )
    expect(textbox(mine, "Description")).to_have_value("Typed for minutes.")
    with other.sees_another_form(others):
        press(others, "Delete")
    expect(others.get_by_role("alert").filter(has_text="The picture changed")).to_be_visible()
    assert Endpoint.objects.get().description == ""
