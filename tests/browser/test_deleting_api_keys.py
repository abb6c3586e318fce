"""Delete: what depends on the key is in view, and nothing breaks silently."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from tests.conftest import MakeEndpoint, MakeKey

from .person import OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser


@pytest.fixture
def shared_key(person: Person, make_key: MakeKey, make_endpoint: MakeEndpoint) -> ApiKey:
    """A key that an active and a disabled endpoint use."""
    key = make_key("shared")
    make_endpoint("search", key)
    make_endpoint("summaries", key, enabled=False)
    return key


def delete(form: Locator) -> None:
    form.get_by_role("button", name="delete").first.click()


def key_of(endpoint: str) -> ApiKey | None:
    return Endpoint.objects.get(name=endpoint).routes.first().api_key


def test_a_key_that_nothing_uses_asks_for_one_plain_confirmation(
    person: Person, make_key: MakeKey
) -> None:
    make_key("unused")
    person.goes_to("/api-keys/")

    form = person.opens("Delete unused")
    expect(form.get_by_text("No endpoint uses this key.")).to_be_visible()
    expect(form.get_by_role("textbox")).to_have_count(0)
    delete(form)

    person.is_told("Deleted unused.")
    expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()


@pytest.mark.both_ways
def test_another_key_takes_over_what_depends_on_this_one(
    person: Person, shared_key: ApiKey, make_key: MakeKey
) -> None:
    make_key("another")
    make_key("of-another-provider", "anthropic")
    person.goes_to("/api-keys/")

    form = person.opens("Delete shared")
    expect(form.get_by_text("2 endpoints use this key")).to_be_visible()
    expect(form.get_by_text("2 would stop working")).to_be_visible()
    expect(form.get_by_role("listitem").filter(has_text="search")).to_contain_text("Active")
    if person.scripts:
        form.get_by_role("combobox", name="Move the endpoints to").click()
        expect(form.get_by_role("option")).to_have_count(1)
    person.chooses_key(form, "Move the endpoints to", "another")
    delete(form)

    person.is_told("Deleted shared. 2 endpoints now use another.")
    expect(person.row("another").get_by_role("link", name="2 endpoints")).to_be_visible()
    assert {key_of("search").name, key_of("summaries").name} == {"another"}


@pytest.mark.both_ways
def test_without_a_replacement_the_name_is_to_be_typed_and_endpoints_are_marked(
    person: Person, shared_key: ApiKey
) -> None:
    person.goes_to("/api-keys/")
    form = person.opens("Delete shared")
    expect(form.get_by_text("No other key offers the same API")).to_be_visible()
    name = form.get_by_role("textbox", name="to delete it")
    for typed in ("", "something else"):
        name.fill(typed)
        with person.sees_another_form(form):
            delete(form)
        expect(form.get_by_text("Type shared to delete it.")).to_be_visible()
    assert ApiKey.objects.exists()

    name.fill("shared")
    delete(form)

    person.is_told("Deleted shared. 2 endpoints no longer have this key.")
    person.goes_to("/endpoints/")
    for endpoint in ("search", "summaries"):
        expect(person.row(endpoint).get_by_text("Primary: no key")).to_be_visible()
    person.page.get_by_role("link", name="search", exact=True).click()
    expect(person.page.get_by_text("This endpoint has no key")).to_be_visible()
    person.goes_to("/")
    calls = person.page.get_by_role("region", name="Needs attention")
    expect(calls).to_contain_text("1 endpoint down")


def test_the_second_of_two_sees_a_conflict_and_nothing_is_deleted(
    person: Person,
    shared_key: ApiKey,
    open_browser: OpenBrowser,
    kim: User,
    make_endpoint: MakeEndpoint,
) -> None:
    person.goes_to("/api-keys/")
    form = person.opens("Delete shared")
    colleague = open_browser(kim, scripts=person.scripts)
    colleague.goes_to("/endpoints/new/?name=maps&model=gpt-5-mini&api_key=shared")
    colleague.page.get_by_role("button", name="Create", exact=True).click()
    colleague.is_told("Created maps.")

    form.get_by_role("textbox", name="to delete it").fill("shared")
    with person.sees_another_form(form):
        delete(form)

    expect(
        form.get_by_role("alert").filter(has_text="have changed since you opened this page")
    ).to_be_visible()
    expect(form.get_by_text("3 endpoints use this key")).to_be_visible()
    assert ApiKey.objects.exists()

    form.get_by_role("textbox", name="to delete it").fill("shared")
    delete(form)
    person.is_told("Deleted shared. 3 endpoints no longer have this key.")
    assert key_of("maps") is None


def test_a_key_that_another_user_deleted_is_reported_as_deleted(
    person: Person, shared_key: ApiKey, open_browser: OpenBrowser, kim: User
) -> None:
    person.watch.expect(404)
    person.goes_to("/api-keys/")
    form = person.opens("Edit shared")
    textbox(form, "Description").fill("too late")
    ApiKey.objects.get().routes.update(api_key=None)
    ApiKey.objects.all().delete()

    form.get_by_role("button", name="Save", exact=True).click()

    if person.scripts:
        expect(person.page.get_by_role("alert").filter(has_text="no longer exists")).to_be_visible()
        expect(textbox(form, "Description")).to_have_value("too late")
    else:
        expect(person.page.get_by_role("heading", name="Page not found")).to_be_visible()
