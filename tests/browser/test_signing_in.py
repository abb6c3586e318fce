"""The way in, and the section that lies behind it."""

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apikeys.models import ApiKey
from tests.conftest import MakeKey
from tests.fakes import OPENAI_KEY

from .person import OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("bookmark", ["/", "/#/gateway"])
def test_signing_in_leads_to_the_ai_gateway(
    open_browser: OpenBrowser, kim: User, scripts: bool, bookmark: str
) -> None:
    person = open_browser(scripts=scripts)

    person.goes_to(bookmark)
    person.signs_in()

    tabs = person.page.get_by_role("navigation", name="AI Gateway")
    expect(tabs.get_by_role("link", name="Endpoints")).to_be_visible()
    tabs.get_by_role("link", name="API Keys").click()
    expect(person.page.get_by_role("heading", name="API Keys", exact=True)).to_be_visible()
    expect(tabs.get_by_role("link", name="API Keys")).to_have_attribute("aria-current", "page")
    expect(person.page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    expect(person.page.get_by_role("link", name="Create your first API key")).to_be_visible()
    tabs.get_by_role("link", name="Endpoints").click()
    expect(person.page.get_by_role("heading", name="No endpoints yet")).to_be_visible()


@pytest.mark.both_ways
def test_a_wrong_password_is_reported_and_the_name_is_kept(
    open_browser: OpenBrowser, kim: User, scripts: bool
) -> None:
    person = open_browser(scripts=scripts)

    person.goes_to("/api-keys/")
    person.signs_in(password="guessed")

    expect(person.page.get_by_role("alert").filter(has_text="correct username")).to_be_visible()
    expect(person.page.get_by_label("Username")).to_have_value("kim")
    person.signs_in()
    expect(person.page).to_have_url(f"{person.home}/api-keys/")


@pytest.mark.both_ways
def test_a_session_that_ends_under_a_dialog_leads_to_the_sign_in_and_back(
    person: Person, make_key: MakeKey
) -> None:
    made = make_key()
    person.goes_to("/api-keys/")
    Session.objects.all().delete()

    person.page.get_by_role("link", name="Edit my-openai-key").click()
    person.signs_in()

    expect(person.page).to_have_url(f"{person.home}/api-keys/{made.pk}/edit/?list=")
    expect(person.page.get_by_label("Name", exact=True)).to_have_value("my-openai-key")


def test_a_session_that_ends_while_typing_saves_nothing_and_leads_back_to_the_form(
    person: Person,
) -> None:
    person.goes_to("/api-keys/")
    form = person.opens("Create API Key")
    textbox(form, "Name").fill("my-openai-key")
    person.chooses_provider(form, "OpenAI")
    textbox(form, "API key").fill(OPENAI_KEY)
    Session.objects.all().delete()

    form.get_by_role("button", name="Create", exact=True).click()
    person.signs_in()

    expect(person.page.get_by_role("heading", name="Create API Key")).to_be_visible()
    assert OPENAI_KEY not in person.page.content()
    assert not ApiKey.objects.exists()


def test_signing_out_leads_to_the_sign_in(person: Person) -> None:
    person.goes_to("/api-keys/")

    person.page.get_by_text("Account menu").locator("xpath=ancestor::summary").click()
    person.page.get_by_role("button", name="Sign out").click()

    expect(person.page.get_by_role("heading", name="Sign in to Gatehouse")).to_be_visible()
    person.goes_to("/api-keys/")
    expect(person.page).to_have_url(f"{person.home}/login/?next=/api-keys/")
