"""A key's own page, and Edit."""

import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

from .person import OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser

LONG_AGO = timezone.now().replace(year=2024, month=5, day=6)


@pytest.fixture
def azure_key(person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint) -> ApiKey:
    """A key that two endpoints use, last changed long ago."""
    key = make_key("my-azure-key", "azure", team="Search", description="For the site.")
    make_endpoint("search", key)
    make_endpoint("summaries", key, enabled=False)
    ApiKey.objects.update(credentials_changed_at=LONG_AGO)
    return key


def save(form: Locator) -> None:
    form.get_by_role("button", name="Save", exact=True).click()


def stored_secret(key: ApiKey) -> str:
    key = ApiKey.objects.get(pk=key.pk)
    return key.current.open_for(key, towards=key.origins())["api_key"]


def test_the_page_of_a_key_shows_everything_but_the_secret(
    person: Person, azure_key: ApiKey
) -> None:
    person.goes_to("/api-keys/")
    person.page.get_by_role("link", name="my-azure-key", exact=True).click()
    main = person.page.get_by_role("main")

    for text in (
        "https://acme.openai.azure.com",
        "2024-10-21",
        "Search",
        "For the site.",
        "Production",
    ):
        expect(main.get_by_text(text, exact=True)).to_be_visible()
    expect(main.get_by_text(f"…{OPENAI_KEY[-4:]}")).to_be_visible()
    expect(main.get_by_role("link", name="search")).to_be_visible()
    expect(main.get_by_role("link", name="summaries")).to_be_visible()
    history = main.get_by_role("region", name="History")
    expect(history.get_by_role("listitem").filter(has_text="created")).to_be_visible()
    assert OPENAI_KEY not in person.page.content()


@pytest.mark.both_ways
def test_a_rename_keeps_the_secret_and_what_uses_it(person: Person, azure_key: ApiKey) -> None:
    person.goes_to("/api-keys/")
    form = person.opens("Edit my-azure-key")
    expect(form.get_by_text("2 endpoints will use the new values")).to_be_visible()
    expect(form.get_by_role("link", name="search")).to_be_visible()
    expect(textbox(form, "API key")).to_have_value("")
    textbox(form, "Name").fill("our-azure-key")
    form.get_by_label("Environment").select_option(label="Development")
    textbox(form, "Team").fill("")
    save(form)

    person.is_told("Saved our-azure-key.")
    person.goes_to("/api-keys/")
    row = person.row("our-azure-key")
    expect(row.get_by_text("May 6, 2024")).to_be_visible()  # the credentials did not change
    expect(row.get_by_text("Development")).to_be_visible()
    assert stored_secret(azure_key) == OPENAI_KEY

    form = person.opens("Edit our-azure-key")
    save(form)
    person.is_told("Nothing was changed in our-azure-key.")


def test_sending_a_key_elsewhere_demands_the_secret_again(
    person: Person, azure_key: ApiKey
) -> None:
    person.goes_to(f"/api-keys/{azure_key.pk}/")
    form = person.opens("Edit")
    textbox(form, "Endpoint URL").fill("https://elsewhere.openai.azure.com")
    with person.sees_another_form(form):
        save(form)

    secret = textbox(form, "API key")
    expect(secret).to_have_attribute("aria-invalid", "true")
    expect(secret).to_have_accessible_description(re.compile("required|again"))
    expect(textbox(form, "Endpoint URL")).to_have_value("https://elsewhere.openai.azure.com")
    secret.fill("fedcba9876543210fedcba9876543210")
    save(form)
    person.is_told("Saved my-azure-key.")
    moved = person.page.get_by_text("https://elsewhere.openai.azure.com", exact=True)
    expect(moved).to_be_visible()
    expect(person.page.get_by_text("…3210")).to_be_visible()
    person.goes_to("/api-keys/")
    expect(person.row("my-azure-key").get_by_text("May 6, 2024")).to_have_count(0)
    assert stored_secret(azure_key) == "fedcba9876543210fedcba9876543210"


@pytest.mark.both_ways
def test_two_values_of_one_field_are_chosen_from_and_nothing_is_lost(
    person: Person, azure_key: ApiKey, open_browser: OpenBrowser, kim: User
) -> None:
    colleague = open_browser(kim, scripts=person.scripts)
    for each in (person, colleague):
        each.goes_to("/api-keys/")
    mine, theirs = (each.opens("Edit my-azure-key") for each in (person, colleague))
    textbox(theirs, "Team").fill("Maps")
    save(theirs)
    colleague.is_told("Saved my-azure-key.")

    textbox(mine, "Description").fill("Typed for minutes.")
    textbox(mine, "Team").fill("Product")
    with person.sees_another_form(mine):
        save(mine)

    warning = mine.get_by_role("alert").filter(has_text="while you were editing")
    expect(warning).to_contain_text("Team")
    expect(warning).to_be_in_viewport()
    choice = mine.get_by_role("radiogroup", name="Team")
    expect(choice.get_by_role("radio", name="kim changed it to Maps")).not_to_be_checked()
    choice.get_by_role("radio", name="You entered Product").check()
    expect(textbox(mine, "Description")).to_have_value("Typed for minutes.")
    assert ApiKey.objects.get().description == "For the site."
    save(mine)
    person.is_told("Saved my-azure-key.")
    stored = ApiKey.objects.get()
    assert (stored.description, stored.team) == ("Typed for minutes.", "Product")
