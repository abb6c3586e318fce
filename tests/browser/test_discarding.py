"""A filled dialog asks before it is closed, and an ended session keeps what is not secret."""

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from tests.fakes import OPENAI_KEY

from .person import PASSWORD, OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser


@pytest.fixture
def someone(open_browser: OpenBrowser, kim: User) -> Person:
    person = open_browser(kim)
    person.goes_to("/api-keys/")
    return person


def question(person: Person) -> Locator:
    return person.page.get_by_role("dialog", name="Discard what you entered?")


def close(person: Person, how: str) -> None:
    if how == "Escape":
        person.page.keyboard.press("Escape")
    elif how == "close button":
        person.page.get_by_role("button", name="Close", exact=True).click()
    else:
        person.page.mouse.click(5, 5)


@pytest.mark.parametrize("how", ["Escape", "close button", "click outside"])
def test_a_filled_dialog_asks_and_an_empty_one_closes(someone: Person, how: str) -> None:
    form = someone.opens("Create API Key")
    close(someone, how)
    expect(someone.page.get_by_role("dialog")).to_have_count(0)

    form = someone.opens("Create API Key")
    textbox(form, "Name").fill("openai-production")
    close(someone, how)
    expect(question(someone)).to_be_visible()
    expect(question(someone).get_by_role("button", name="Keep editing")).to_be_focused()
    someone.page.keyboard.press("Escape")  # an answer too: it keeps what was typed
    expect(question(someone)).to_have_count(0)
    expect(textbox(form, "Name")).to_have_value("openai-production")

    close(someone, how)
    question(someone).get_by_role("button", name="Keep editing").click()
    close(someone, how)
    question(someone).get_by_role("button", name="Discard").click()
    expect(someone.page.get_by_role("dialog")).to_have_count(0)
    form = someone.opens("Create API Key")
    expect(textbox(form, "Name")).to_have_value("")


def test_cancel_closes_at_once(someone: Person) -> None:
    form = someone.opens("Create API Key")
    textbox(form, "Name").fill("openai-production")

    form.get_by_role("link", name="Cancel").click()

    expect(someone.page.get_by_role("dialog")).to_have_count(0)


def test_after_signing_in_again_the_form_is_as_it_was_but_for_secrets(someone: Person) -> None:
    form = someone.opens("Create API Key")
    textbox(form, "Name").fill("azure-eu")
    someone.chooses_provider(form, "Azure OpenAI")
    someone.chooses_method(form, "Microsoft Entra ID")
    textbox(form, "Tenant ID").fill("contoso.onmicrosoft.com")
    textbox(form, "Client ID").fill("11111111-2222-3333-4444-555555555555")
    textbox(form, "Client secret").fill(OPENAI_KEY)
    textbox(form, "Endpoint URL").fill("https://acme.openai.azure.com")
    Session.objects.all().delete()

    textbox(form, "Name").press("Enter")
    someone.signs_in("kim", PASSWORD)

    page = someone.page.get_by_role("main")
    expect(textbox(page, "Tenant ID")).to_have_value("contoso.onmicrosoft.com")
    expect(textbox(page, "Name")).to_have_value("azure-eu")
    expect(textbox(page, "Endpoint URL")).to_have_value("https://acme.openai.azure.com")
    expect(textbox(page, "Client secret")).to_have_value("")
    kept = someone.page.evaluate("JSON.stringify(sessionStorage)")
    assert OPENAI_KEY not in kept
    assert "azure-eu" not in kept
    textbox(page, "Client secret").fill(OPENAI_KEY)
    textbox(page, "Name").press("Enter")
    someone.is_told("Created azure-eu.")
    assert ApiKey.objects.get().scheme.slug != "api_key"


def test_a_pasted_block_chooses_the_provider_and_is_created(someone: Person) -> None:
    form = someone.opens("Create API Key")
    textbox(form, "Name").fill("aws")

    with someone.sees_other_fields(form):
        textbox(form, "Paste a key").fill(
            "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
            "region = eu-west-1"
        )
    expect(form.get_by_role("combobox", name="Provider")).to_have_value("Amazon Bedrock")
    expect(textbox(form, "Region")).to_have_value("eu-west-1")
    textbox(form, "Paste a key").press("Enter")

    someone.is_told("Created aws.")
    assert set(ApiKey.objects.get().stored_parts()) == {
        "aws_access_key_id",
        "aws_secret_access_key",
    }
    expect(someone.page.get_by_role("link", name="Create an endpoint")).to_be_visible()
    expect(someone.page.locator("tr.is-new")).to_have_count(1)


def test_switching_to_the_provider_of_the_key_keeps_it(someone: Person) -> None:
    form = someone.opens("Create API Key")
    textbox(form, "Name").fill("claude")
    someone.chooses_provider(form, "OpenAI")
    textbox(form, "API key").fill("sk-ant-api03-MadeUpForTests0000000000000000")
    with someone.sees_another_form(form):
        textbox(form, "API key").press("Enter")

    with someone.sees_another_form(form):
        form.get_by_role("button", name="Switch to Anthropic").click()
    textbox(form, "API key").press("Enter")

    someone.is_told("Created claude.")
    assert ApiKey.objects.get().provider.slug == "anthropic"
