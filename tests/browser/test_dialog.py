"""The dialog module by itself: when it opens, what has the focus, and when it may close."""

import pytest
from playwright.sync_api import Locator, Page, expect

from .modules import open_module
from .serving import Server

pytestmark = pytest.mark.browser

BODY = """
    <button id="opener">Open</button>
    <dialog id="dialog" aria-label="Panel">
      <form method="dialog" class="dialog-close"><button aria-label="Close">x</button></form>
      <div id="dialog-body"></div>
    </dialog>
    <dialog id="discard" aria-label="Discard?">
      <form method="dialog">
        <button value="keep" autofocus>Keep editing</button>
        <button value="discard">Discard</button>
      </form>
    </dialog>
"""
SCRIPT = """
    import { FormDialog } from "/static/js/dialog.js";
    const dialog = document.getElementById("dialog");
    new FormDialog(dialog, document.getElementById("discard"));
    // What htmx does with a response.
    window.swap = (html) => {
      const target = document.getElementById("dialog-body");
      target.innerHTML = html;
      const detail = { target, elt: target };
      const send = (name) => target.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
      send("htmx:afterSwap");
      send("htmx:afterSettle");
    };
    window.isReady = true;
"""
FORM = """
    <section id="panel"><h1>Edit</h1>
      <form method="post">
        <label>Name <input name="name" autofocus {input}></label>{more}
        <a href="/elsewhere/" data-close>Cancel</a>
      </form>
    </section>
"""


@pytest.fixture
def panel(page: Page, server: Server) -> Locator:
    open_module(page, server, body=BODY, script=SCRIPT)
    return page.get_by_role("dialog", name="Panel")


@pytest.fixture
def question(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Discard?")


def swap(page: Page, *, input: str = "", more: str = "") -> None:
    page.evaluate("html => swap(html)", FORM.format(input=input, more=more))


def click_backdrop(page: Page) -> None:
    page.mouse.click(2, 2)


def test_a_response_opens_the_dialog_and_focuses_its_autofocus(page: Page, panel: Locator) -> None:
    expect(panel).to_be_hidden()

    swap(page)

    expect(panel).to_be_visible()
    assert page.evaluate("dialog => dialog.matches(':modal')", panel.element_handle())
    expect(panel.get_by_label("Name")).to_be_focused()


def test_an_invalid_field_gets_the_focus(page: Page, panel: Locator) -> None:
    swap(page)

    swap(page, more='<input aria-label="Team" aria-invalid="true">')

    expect(panel.get_by_label("Team")).to_be_focused()


def test_an_alert_gets_the_focus_if_no_field_is_invalid(page: Page, panel: Locator) -> None:
    swap(page)

    swap(page, more='<p role="alert">Changed meanwhile.</p>')

    expect(panel.get_by_role("alert")).to_be_focused()


@pytest.mark.parametrize("way", ["escape", "close button", "backdrop", "cancel"])
def test_an_unchanged_form_closes_without_a_question(
    page: Page, panel: Locator, question: Locator, way: str
) -> None:
    swap(page)

    close(page, panel, way)

    expect(panel).to_be_hidden()
    expect(question).to_be_hidden()
    expect(page.locator("#dialog-body")).to_be_empty()
    assert page.url.endswith("/module/")


@pytest.mark.parametrize("way", ["escape", "close button", "backdrop"])
def test_a_changed_form_asks_first(page: Page, panel: Locator, question: Locator, way: str) -> None:
    swap(page)
    panel.get_by_label("Name").fill("typed")

    close(page, panel, way)
    expect(question).to_be_visible()
    expect(question.get_by_role("button", name="Keep editing")).to_be_focused()
    question.get_by_role("button", name="Keep editing").click()

    expect(question).to_be_hidden()
    expect(panel.get_by_label("Name")).to_have_value("typed")

    close(page, panel, way)
    question.get_by_role("button", name="Discard").click()

    expect(panel).to_be_hidden()
    expect(page.locator("#dialog-body")).to_be_empty()
    swap(page)
    close(page, panel, way)
    expect(panel).to_be_hidden()  # a new form has no changes yet
    expect(question).to_be_hidden()


def test_escape_keeps_the_input(page: Page, panel: Locator, question: Locator) -> None:
    swap(page)
    panel.get_by_label("Name").fill("typed")

    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")

    expect(question).to_be_hidden()
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_be_visible()  # however often


def test_cancel_discards_the_input_without_a_question(
    page: Page, panel: Locator, question: Locator
) -> None:
    swap(page)
    panel.get_by_label("Name").fill("typed")

    close(page, panel, "cancel")

    expect(panel).to_be_hidden()
    expect(question).to_be_hidden()


@pytest.mark.parametrize("way", ["escape", "backdrop"])
def test_what_is_shown_once_closes_only_by_its_button(
    page: Page, panel: Locator, question: Locator, way: str
) -> None:
    swap(page, more="<code data-once>gw-token</code>")
    page.evaluate("window.isOld = true")

    close(page, panel, way)
    expect(panel).to_be_visible()
    expect(question).to_be_hidden()
    with page.expect_navigation():  # the page behind lists it then
        close(page, panel, "close button")

    assert page.evaluate("window.isOld") is None


def test_a_key_press_that_something_inside_handled_closes_nothing(
    page: Page, panel: Locator
) -> None:
    swap(page)
    page.evaluate(
        """document.querySelector("[name=name]")
            .addEventListener("keydown", (event) => event.preventDefault())"""
    )

    panel.get_by_label("Name").press("Escape")

    expect(panel).to_be_visible()


def test_leaving_the_page_asks_only_with_unsaved_input(page: Page, panel: Locator) -> None:
    def is_asked() -> bool:
        return page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))")

    swap(page)
    assert not is_asked()
    panel.get_by_label("Name").fill("typed")
    assert is_asked()

    page.evaluate(
        """() => document.dispatchEvent(new CustomEvent("htmx:beforeOnLoad", { detail: {
            xhr: { getResponseHeader: () => "/api-keys/" } } }))"""
    )
    assert not is_asked()  # it was saved


def close(page: Page, panel: Locator, way: str) -> None:
    match way:
        case "escape":
            page.keyboard.press("Escape")
        case "close button":
            panel.get_by_role("button", name="Close").click()
        case "backdrop":
            click_backdrop(page)
        case "cancel":
            panel.get_by_role("link", name="Cancel").click()
