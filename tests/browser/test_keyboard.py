"""Without a mouse."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

from .person import OpenBrowser, textbox

pytestmark = pytest.mark.browser


def tab_to(page: Page, target: Locator, *, at_most: int = 50) -> None:
    """Press Tab until ``target`` has the focus."""
    for _ in range(at_most):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"{target} is not reached by {at_most} times Tab")


def test_a_key_is_created_with_the_keyboard_alone(open_browser: OpenBrowser, kim: User) -> None:
    person = open_browser(kim)
    page, keyboard = person.page, person.page.keyboard
    person.goes_to("/api-keys/")

    keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    keyboard.press("Enter")
    opener = page.get_by_role("link", name="Create API Key")
    tab_to(page, opener, at_most=1)
    keyboard.press("Enter")

    form = person.dialog()
    expect(textbox(form, "Name")).to_be_focused()
    keyboard.type("my-openai-key")
    provider = form.get_by_role("combobox", name="Provider")
    tab_to(page, provider, at_most=3)  # past the box to paste into
    keyboard.type("op")
    expect(provider).to_have_attribute("aria-expanded", "true")
    marked = form.get_by_role("listbox").get_by_role("option", selected=True)
    expect(marked).to_have_text("OpenAI")
    keyboard.press("ArrowDown")
    expect(marked).not_to_have_text("OpenAI")
    keyboard.press("ArrowUp")
    expect(marked).to_have_text("OpenAI")
    expect(provider).to_have_attribute("aria-activedescendant", marked.get_attribute("id"))
    with person.sees_other_fields(form):
        keyboard.press("Enter")

    expect(provider).to_have_value("OpenAI")
    expect(textbox(form, "API key")).to_be_focused()  # what is to be typed next
    keyboard.type(OPENAI_KEY)
    keyboard.press("Tab")
    expect(form.get_by_role("button", name="Show the value").first).to_be_focused()
    keyboard.press("Space")
    expect(textbox(form, "API key")).to_have_attribute("type", "text")
    tab_to(page, form.get_by_role("button", name="Create", exact=True))
    keyboard.press("Enter")
    person.is_told("Created my-openai-key.")


def test_escape_closes_the_list_first_and_then_the_dialog_and_the_focus_comes_back(
    open_browser: OpenBrowser, kim: User
) -> None:
    person = open_browser(kim)
    page, keyboard = person.page, person.page.keyboard
    person.goes_to("/api-keys/")
    opener = page.get_by_role("link", name="Create API Key")
    opener.focus()
    keyboard.press("Enter")
    form = person.dialog()
    expect(textbox(form, "Name")).to_be_focused()
    provider = form.get_by_role("combobox", name="Provider")
    tab_to(page, provider)
    keyboard.press("ArrowDown")
    expect(form.get_by_role("listbox", name="Suggestions")).to_be_visible()

    keyboard.press("Escape")
    expect(form.get_by_role("listbox", name="Suggestions")).to_have_count(0)
    expect(form).to_be_visible()
    expect(provider).to_be_focused()
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


def test_the_focus_stays_inside_a_dialog(open_browser: OpenBrowser, kim: User) -> None:
    person = open_browser(kim)
    person.goes_to("/endpoints/")
    person.opens("Create Endpoint")

    for _ in range(12):
        person.page.keyboard.press("Tab")
        assert person.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )


def test_a_key_is_edited_and_deleted_from_the_list_with_the_keyboard(
    open_browser: OpenBrowser, kim: User, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key("shared"))
    make_key("another")
    person = open_browser(kim)
    page, keyboard = person.page, person.page.keyboard
    person.goes_to("/api-keys/")

    tab_to(page, page.get_by_role("link", name="Edit shared"))
    keyboard.press("Enter")
    form = person.dialog()
    tab_to(page, textbox(form, "Team"))
    keyboard.type("Search")
    keyboard.press("Enter")
    person.is_told("Saved shared.")

    person.goes_to("/api-keys/")
    tab_to(page, page.get_by_role("link", name="Delete shared"))
    keyboard.press("Enter")
    form = person.dialog()
    tab_to(page, form.get_by_role("combobox", name="Move the endpoints to"))
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(form.get_by_role("combobox", name="Move the endpoints to")).to_have_value("another")
    tab_to(page, form.get_by_role("button", name="and delete"))
    keyboard.press("Enter")
    person.is_told("Deleted shared. 1 endpoint now uses another.")


def test_the_account_menu_opens_and_closes_with_the_keyboard(
    open_browser: OpenBrowser, kim: User
) -> None:
    person = open_browser(kim)
    page, keyboard = person.page, person.page.keyboard
    person.goes_to("/api-keys/")

    tab_to(page, page.locator("summary", has_text="Account menu"))
    keyboard.press("Enter")
    expect(page.get_by_role("link", name="Change password")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("link", name="Change password")).to_be_hidden()
    expect(page.locator("summary", has_text="Account menu")).to_be_focused()


FOCUS_TEAM_AT_ONCE = """
    new MutationObserver((changes, observer) => {
      if (document.querySelector("#dialog h1, #dialog h2").textContent.includes("key-2")) {
        document.querySelector("#dialog [name=team]").focus();
        observer.disconnect();
      }
    }).observe(document.getElementById("dialog-body"), { childList: true, subtree: true })
"""


def test_a_field_that_a_quick_person_chose_keeps_the_focus(
    open_browser: OpenBrowser, kim: User, make_key: MakeKey
) -> None:
    make_key("key-1")
    make_key("key-2")
    person = open_browser(kim)
    person.goes_to("/api-keys/?q=key")
    form = person.opens("Edit key-1")
    person.page.evaluate(FOCUS_TEAM_AT_ONCE)
    form.get_by_role("link", name="Skip").click()
    expect(form.get_by_role("heading", name="Edit key-2")).to_be_visible()
    person.page.wait_for_timeout(100)  # a late script would take it away within this time
    expect(textbox(form, "Team")).to_be_focused()
