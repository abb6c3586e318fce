"""Test: typed credentials are tried out before anything is saved."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeKey
from tests.fakes import OPENAI_KEY

from .person import Person, textbox

pytestmark = pytest.mark.browser

WRONG_KEY = "sk-proj-WrongMadeUp0000000000000000000000000000aBcD"


@pytest.fixture(autouse=True)
def provider(untimed_provider: Provider) -> Provider:
    """A provider on loopback that takes one key."""
    untimed_provider.accept_keys = {OPENAI_KEY}
    return untimed_provider


def press_test(form: Locator) -> Locator:
    """Press Test, and return where the result is shown."""
    form.get_by_role("button", name="Test", exact=True).click()
    return form.locator("#test-result")


def keeps_or_types(person: Person, form: Locator, secret: str) -> None:
    """With scripts the secret is still there; without, the page asks for it again."""
    field = textbox(form, "API key")
    if person.scripts:
        expect(form.get_by_text("Enter the credentials again")).to_have_count(0)
        expect(field).to_have_value(secret)
    else:
        expect(form.get_by_text("Enter the credentials again before you save.")).to_be_visible()
        expect(field).to_have_value("")
        field.fill(secret)


@pytest.mark.both_ways
def test_a_wrong_key_is_found_out_before_it_is_created(person: Person, provider: Provider) -> None:
    person.goes_to("/api-keys/")
    form = person.opens("Create API Key")
    expect(press_test(form)).to_contain_text("Choose a provider.")

    person.chooses_provider(form, "OpenAI")
    textbox(form, "Name").fill("my-openai-key")
    form.get_by_label("API base URL").fill(f"{provider.url}/v1")
    textbox(form, "API key").fill(WRONG_KEY)
    result = press_test(form)
    expect(result).to_have_text("127.0.0.1 does not recognize this key (401).")
    expect(result).to_have_attribute("role", "status")
    expect(result).to_be_in_viewport()
    keeps_or_types(person, form, WRONG_KEY)

    textbox(form, "API key").fill(OPENAI_KEY)
    if person.scripts:
        expect(result).to_be_empty()  # it was said of the other key
    expect(press_test(form)).to_contain_text("127.0.0.1 accepts this key")
    if person.scripts:
        form.get_by_text("More options").click()
        textbox(form, "Team").fill("Search")  # which has nothing to do with it
        expect(result).to_contain_text("127.0.0.1 accepts this key")
        form.get_by_role("button", name="Test", exact=True).press("Enter")
        expect(form.get_by_role("button", name="Test", exact=True)).to_be_focused()
    keeps_or_types(person, form, OPENAI_KEY)
    if person.scripts:
        assert Axe().run(person.page).violations_count == 0
    assert not ApiKey.objects.exists()

    expect(textbox(form, "Name")).to_have_value("my-openai-key")
    form.get_by_role("button", name="Create", exact=True).click()
    person.is_told("Created my-openai-key.")
    stored = ApiKey.objects.with_details().get()
    assert stored.current.open_for(stored, towards=stored.origins()) == {"api_key": OPENAI_KEY}


def test_a_stored_key_is_tested_without_typing_it_and_enter_still_saves(
    person: Person, provider: Provider, make_key: MakeKey
) -> None:
    key = make_key("my-openai-key", api_base=f"{provider.url}/v1")
    person.goes_to(f"/api-keys/{key.pk}/")
    form = person.opens("Edit")

    expect(press_test(form)).to_contain_text("127.0.0.1 accepts this key")

    form.get_by_label("API base URL").fill("https://elsewhere.example.com/v1")
    expect(press_test(form)).to_contain_text("Enter the API key again")
    form.get_by_label("API base URL").fill(f"{provider.url}/v1")
    textbox(form, "Team").fill("Maps")
    textbox(form, "Team").press("Enter")
    person.is_told("Saved my-openai-key.")
    assert OPENAI_KEY not in person.page.content()
