"""The combobox module by itself: keyboard, pointer, ARIA, and options that the server filters."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from .modules import open_module
from .serving import Server

pytestmark = pytest.mark.browser

OPTIONS = """
    <option value="Anthropic" data-group="Popular"></option>
    <option value="OpenAI" label="api.openai.com" data-group="Popular"></option>
    <option value="Azure OpenAI" data-group="Clouds" data-also="Microsoft"></option>
    <option value="Mistral" data-group="Clouds"></option>
"""
SCRIPT = """
    import { Combobox } from "/static/js/combobox.js";
    window.changes = [];
    document.addEventListener("change", ({ target }) => changes.push(target.value));
    new Combobox(document.querySelector("[data-combobox]"));
    window.isReady = true;
"""

OpenCombobox = Callable[..., Locator]


@pytest.fixture
def open_combobox(page: Page, server: Server) -> OpenCombobox:
    def open_with(attributes: str = "", *, value: str = "", options: str = OPTIONS) -> Locator:
        body = f"""
            <form action="/options/"><label for="id_provider">Provider</label>
              <span data-combobox>
                <input id="id_provider" name="provider" list="id_provider-options"
                       value="{value}" {attributes}>
                <datalist id="id_provider-options">{options}</datalist>
              </span>
              <button type="button">Next</button>
            </form>"""
        open_module(page, server, body=body, script=SCRIPT)
        return page.get_by_role("combobox", name="Provider")

    return open_with


def texts(page: Page) -> list[str]:
    return page.get_by_role("option").evaluate_all("items => items.map(i => i.dataset.value)")


def active_option(page: Page) -> str | None:
    """The option that assistive technology takes for the current one."""
    return page.evaluate(
        """() => {
            const id = document.querySelector("input").getAttribute("aria-activedescendant");
            const active = id && document.getElementById(id);
            const selected = [...document.querySelectorAll("[aria-selected=true]")];
            if (selected.length > 1 || (selected[0] ?? null) !== active) return "disagreement";
            return active && active.dataset.value;
        }"""
    )


def changes(page: Page) -> list[str]:
    return page.evaluate("changes")


def test_a_closed_combobox_has_the_roles_and_states_of_the_aria_pattern(
    page: Page, open_combobox: OpenCombobox
) -> None:
    combobox = open_combobox()

    expect(combobox).to_have_attribute("aria-expanded", "false")
    expect(combobox).to_have_attribute("aria-autocomplete", "list")
    expect(combobox).to_have_attribute("aria-controls", "id_provider-listbox")
    assert combobox.get_attribute("list") is None  # or the browser would show a list of its own
    expect(page.locator("#id_provider-listbox")).to_be_hidden()
    assert active_option(page) is None


def test_a_click_opens_all_options_in_their_groups(page: Page, open_combobox: OpenCombobox) -> None:
    combobox = open_combobox(value="OpenAI")

    combobox.click()

    expect(combobox).to_have_attribute("aria-expanded", "true")
    listbox = page.get_by_role("listbox", name="Suggestions")
    expect(listbox).to_be_visible()
    assert texts(page) == ["Anthropic", "OpenAI", "Azure OpenAI", "Mistral"]
    expect(listbox.locator(".listbox-group")).to_have_text(["Popular", "Clouds"])
    expect(listbox.get_by_role("option", name="OpenAI api.openai.com")).to_be_visible()
    assert active_option(page) == "OpenAI"


@pytest.mark.parametrize(
    ("query", "found", "active"),
    [
        ("mis", ["Mistral"], "Mistral"),
        ("OPEN", ["OpenAI", "Azure OpenAI"], "OpenAI"),
        ("ai", ["OpenAI", "Azure OpenAI"], "OpenAI"),
        ("az", ["Azure OpenAI"], "Azure OpenAI"),
        ("microsoft", ["Azure OpenAI"], "Azure OpenAI"),
        ("api.openai", ["OpenAI"], "OpenAI"),
    ],
)
def test_typing_filters_by_value_label_and_other_names(
    page: Page, open_combobox: OpenCombobox, query: str, found: list[str], active: str
) -> None:
    open_combobox().press_sequentially(query)

    assert texts(page) == found
    assert active_option(page) == active


def test_an_option_that_starts_with_the_query_is_active_before_one_that_contains_it(
    page: Page, open_combobox: OpenCombobox
) -> None:
    options = '<option value="Azure OpenAI"></option><option value="OpenAI"></option>'

    open_combobox(options=options).press_sequentially("open")

    assert texts(page) == ["Azure OpenAI", "OpenAI"]
    assert active_option(page) == "OpenAI"


def test_without_a_match_the_list_is_empty_and_enter_chooses_nothing(
    page: Page, open_combobox: OpenCombobox
) -> None:
    combobox = open_combobox()

    combobox.press_sequentially("zzz")

    expect(page.locator(".listbox-note")).to_have_text("No matches")
    assert texts(page) == []
    assert active_option(page) is None
    page.evaluate(
        "document.querySelector('form').addEventListener('submit', (e) => e.preventDefault())"
    )
    combobox.press("Enter")
    expect(combobox).to_have_value("zzz")


def test_arrow_keys_open_the_list_and_wrap_around(page: Page, open_combobox: OpenCombobox) -> None:
    combobox = open_combobox()

    combobox.press("ArrowDown")
    assert active_option(page) is None
    visited = []
    for key in ["ArrowDown"] * 5 + ["ArrowUp"] * 2:
        combobox.press(key)
        visited.append(active_option(page))

    down = ["Anthropic", "OpenAI", "Azure OpenAI", "Mistral", "Anthropic"]
    assert visited == [*down, "Mistral", "Azure OpenAI"]


def test_enter_chooses_the_active_option_and_does_not_submit(
    page: Page, open_combobox: OpenCombobox
) -> None:
    combobox = open_combobox()
    page.evaluate(
        "document.querySelector('form').addEventListener('submit', () => changes.push('submit'))"
    )

    combobox.press_sequentially("mis")
    combobox.press("Enter")

    expect(combobox).to_have_value("Mistral")
    expect(combobox).to_have_attribute("aria-expanded", "false")
    assert active_option(page) is None
    assert changes(page) == ["Mistral"]
    combobox.press("Tab")
    assert changes(page) == ["Mistral"]  # leaving sends no second event


def test_escape_closes_only_the_list(page: Page, open_combobox: OpenCombobox) -> None:
    combobox = open_combobox()
    page.evaluate("document.addEventListener('keydown', ({ key }) => changes.push(key))")

    combobox.click()
    combobox.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    assert changes(page) == []
    combobox.press("Escape")
    assert changes(page) == ["Escape"]  # now it is for the dialog around


def test_a_click_on_an_option_chooses_it_and_keeps_the_focus(
    page: Page, open_combobox: OpenCombobox
) -> None:
    combobox = open_combobox()
    combobox.click()

    page.get_by_role("option", name="Anthropic").click()

    expect(combobox).to_have_value("Anthropic")
    expect(combobox).to_be_focused()
    assert changes(page) == ["Anthropic"]


def test_leaving_keeps_what_was_typed_and_sends_one_change(
    page: Page, open_combobox: OpenCombobox
) -> None:
    combobox = open_combobox()

    combobox.press_sequentially("my own")
    combobox.press("Tab")

    expect(combobox).to_have_value("my own")
    expect(page.get_by_role("listbox")).to_be_hidden()
    assert changes(page) == ["my own"]


def test_free_text_has_no_active_option(page: Page, open_combobox: OpenCombobox) -> None:
    combobox = open_combobox("data-free")

    combobox.press_sequentially("mis")
    assert texts(page) == ["Mistral"]
    assert active_option(page) is None
    combobox.press("ArrowDown")
    combobox.press("Enter")

    expect(combobox).to_have_value("Mistral")


def test_several_names_are_completed_one_after_the_other(
    page: Page, open_combobox: OpenCombobox
) -> None:
    page.route("**/options/*", lambda route: route.fulfill(body=""))
    combobox = open_combobox("data-several")

    combobox.press_sequentially("mis")
    combobox.press("Enter")
    expect(combobox).to_have_value("Mistral, ")
    combobox.press_sequentially("anth")
    assert texts(page) == ["Anthropic"]
    combobox.press("Enter")

    expect(combobox).to_have_value("Mistral, Anthropic, ")


def test_a_remote_combobox_asks_once_the_user_pauses(
    page: Page, open_combobox: OpenCombobox
) -> None:
    queries: list[str] = []

    def answer(route: Route) -> None:
        queries.extend(parse_qs(urlsplit(route.request.url).query)["provider"])
        datalist = '<datalist id="id_provider-options"><option value="Groq"></option></datalist>'
        route.fulfill(body=datalist, content_type="text/html")

    page.route("**/options/*", answer)
    combobox = open_combobox("data-remote")

    combobox.press_sequentially("groq")

    expect(page.get_by_role("option", name="Groq")).to_be_visible()
    assert queries[-1] == "groq"
    assert len(queries) < len("groq")
    assert active_option(page) == "Groq"


def test_the_list_opens_where_there_is_room(page: Page, open_combobox: OpenCombobox) -> None:
    page.set_viewport_size({"width": 640, "height": 480})
    combobox = open_combobox()

    for margin, is_above in (("0", False), ("420px", True)):
        page.evaluate("margin => { document.forms[0].style.marginTop = margin }", margin)
        combobox.click()
        box, listbox = combobox.bounding_box(), page.get_by_role("listbox").bounding_box()
        assert box is not None
        assert listbox is not None
        assert (listbox["y"] < box["y"]) is is_above
        assert listbox["x"] == box["x"]
        assert listbox["width"] == box["width"]
        combobox.press("Escape")
