"""Rotating an API key with a way back, and switching it off and on."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

from .person import OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser

NEW_KEY = "sk-proj-AnotherOne00000000000000000000000000NeWx"


@pytest.fixture(autouse=True)
def provider(untimed_provider: Provider) -> Provider:
    """A provider on loopback that takes the new key only."""
    untimed_provider.accept_keys = {NEW_KEY}
    return untimed_provider


@pytest.fixture
def key(make_key: MakeKey, make_endpoint: MakeEndpoint, provider: Provider) -> ApiKey:
    """A key that the endpoint ``search`` uses."""
    key = make_key("my-openai-key", api_base=f"{provider.url}/v1")
    make_endpoint("search", key)
    return key


def in_use(key: ApiKey) -> str:
    key = ApiKey.objects.get(pk=key.pk)
    return key.current.open_for(key, towards=key.origins())["api_key"]


def version(person: Person, slot: str) -> Locator:
    credentials = person.page.get_by_role("region", name="Credentials")
    return credentials.get_by_role("listitem").filter(has_text=slot)


def press(place: Locator, button: str) -> None:
    place.get_by_role("button", name=button, exact=True).click()


def stage(person: Person, key: ApiKey, secret: str) -> None:
    person.goes_to(f"/api-keys/{key.pk}/")
    form = person.opens("Stage new credentials")
    textbox(form, "API key").fill(secret)
    press(form, "Stage")
    person.is_told("Staged new credentials for my-openai-key. Test them, then promote them.")


@pytest.mark.both_ways
def test_new_credentials_are_staged_tested_promoted_and_rolled_back(
    person: Person, key: ApiKey
) -> None:
    stage(person, key, NEW_KEY)
    expect(version(person, "Pending").get_by_text("…NeWx")).to_be_visible()
    assert in_use(key) == OPENAI_KEY

    press(version(person, "Pending"), "Test")
    expect(version(person, "Pending").get_by_text("Test passed")).to_be_visible()
    form = person.opens("Promote")
    expect(form.get_by_text("1 endpoint uses this key")).to_be_visible()
    press(form, "Promote")
    person.is_told("Promoted: my-openai-key uses the new credentials.")
    assert in_use(key) == NEW_KEY

    press(version(person, "Previous"), "Roll back")
    person.is_told("Rolled back: my-openai-key uses the previous credentials again.")
    assert in_use(key) == OPENAI_KEY
    press(version(person, "Previous"), "Roll back")
    expect(version(person, "Current").get_by_text("…NeWx")).to_be_visible()

    form = person.opens("Destroy")
    press(form, "Destroy")
    person.is_told("Destroyed the previous credentials of my-openai-key.")
    expect(version(person, "Previous")).to_have_count(0)
    assert in_use(key) == NEW_KEY


def test_credentials_that_fail_their_test_take_the_name_of_the_key(
    person: Person, key: ApiKey
) -> None:
    stage(person, key, "sk-proj-Wrong000000000000000000000000000000000WrOn")
    press(version(person, "Pending"), "Test")
    expect(version(person, "Pending").get_by_text("Test refused")).to_be_visible()

    form = person.opens("Promote")
    with person.sees_another_form(form):
        press(form, "Promote")
    name = textbox(form, "Type my-openai-key to promote without a passing test")
    expect(name).to_have_attribute("aria-invalid", "true")
    assert in_use(key) == OPENAI_KEY
    name.fill("my-openai-key")
    press(form, "Promote")

    person.is_told("Promoted: my-openai-key uses the new credentials.")


def test_a_refusal_is_rolled_back_from_the_list_with_one_press(person: Person, key: ApiKey) -> None:
    stage(person, key, NEW_KEY)
    form = person.opens("Promote")
    textbox(form, "Type my-openai-key to promote without a passing test").fill(key.name)
    press(form, "Promote")
    person.is_told("Promoted: my-openai-key uses the new credentials.")
    ApiKey.objects.update(refused_at=timezone.now())

    person.goes_to("/api-keys/")
    person.filters("Filter by status", "Refused by provider")
    row = person.row("my-openai-key")
    expect(row.get_by_text("Refused by provider")).to_be_visible()
    row.get_by_role("button", name="Roll back").click()

    person.is_told("Rolled back: my-openai-key uses the previous credentials again.")
    expect(person.page.get_by_text("Refused by provider")).to_have_count(0)
    assert in_use(key) == OPENAI_KEY


def test_a_key_is_disabled_after_a_look_at_its_endpoints_and_enabled_again(
    person: Person, key: ApiKey
) -> None:
    person.goes_to(f"/api-keys/{key.pk}/")
    form = person.opens("Disable")
    expect(form.get_by_text("1 would stop working")).to_be_visible()
    press(form, "Disable")
    person.is_told("Disabled my-openai-key. Requests no longer use it.")
    assert not ApiKey.objects.get().enabled

    press(person.page.get_by_role("main"), "Enable")
    person.is_told("Enabled my-openai-key.")
    assert ApiKey.objects.get().enabled


def test_the_second_of_two_sees_what_the_first_did(
    person: Person, key: ApiKey, open_browser: OpenBrowser, kim: Any
) -> None:
    stage(person, key, NEW_KEY)
    colleague = open_browser(kim, scripts=person.scripts)
    colleague.goes_to(f"/api-keys/{key.pk}/")
    theirs = colleague.opens("Promote")
    mine = person.opens("Discard")
    press(mine, "Discard")
    person.is_told("Discarded the pending credentials of my-openai-key.")

    with colleague.sees_another_form(theirs):
        press(theirs, "Promote")

    expect(theirs.get_by_text("Nothing was done.")).to_be_visible()
    expect(theirs.get_by_text("discarded pending credentials of this key")).to_be_visible()
    assert in_use(key) == OPENAI_KEY
