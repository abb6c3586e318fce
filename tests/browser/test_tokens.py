"""Gateway tokens: shown once, copied, edited, revoked and deleted."""

import io
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from endpoints.models import GatewayToken
from endpoints.models.gateway_token import digest_of
from tests.conftest import MakeEndpoint, MakeToken

from .canaries import everything_logged, leaks, places_of
from .person import OpenBrowser, Person, textbox
from .serving import Server

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def endpoints(transactional_db: None, make_endpoint: MakeEndpoint) -> None:
    for name in ("search", "translate"):
        make_endpoint(name, None)


@pytest.fixture
def many(make_endpoint: MakeEndpoint) -> None:
    """So many endpoints that they are typed rather than ticked."""
    for number in range(60):
        make_endpoint(f"endpoint-{number:02}", None)


@pytest.fixture
def log(server: Server) -> Iterator[io.StringIO]:
    with everything_logged() as log:
        yield log


def press(form: Locator, name: str) -> None:
    form.get_by_role("button", name=name, exact=True).click()


def creates(person: Person, name: str, *endpoints: str) -> Locator:
    """Create a token, and return where it is shown."""
    person.goes_to("/tokens/")
    form = person.opens("Create token")
    textbox(form, "Name").fill(name)
    for endpoint in endpoints:
        form.get_by_role("checkbox", name=endpoint, exact=True).check()
    press(form, "Create")
    expect(form.get_by_role("heading", name=f"Created {name}")).to_be_visible()
    return form


def token_in(shown: Locator) -> str:
    return shown.locator("#token").inner_text()


@pytest.mark.both_ways
def test_a_token_is_created_shown_edited_revoked_and_deleted(person: Person) -> None:
    person.goes_to("/tokens/")
    expect(person.page.get_by_role("heading", name="Gateway tokens", exact=True)).to_be_visible()
    form = person.opens("Create token")
    textbox(form, "Name").fill("search-service")
    with person.sees_another_form(form):
        press(form, "Create")
    expect(form.get_by_text("Choose at least one endpoint, or All endpoints.")).to_be_visible()
    form.get_by_role("checkbox", name="search", exact=True).check()
    form.get_by_label("Expires").select_option(label="30 days")
    press(form, "Create")
    token = token_in(form)
    assert GatewayToken.objects.get().digest == digest_of(token)
    expect(form.get_by_text(f"Bearer {token}")).to_be_visible()
    form.get_by_role("link", name="Done").click()

    main = person.page.get_by_role("main")
    expect(main.get_by_role("heading", name="search-service")).to_be_visible()
    expect(main.get_by_text(token)).to_have_count(0)
    form = person.opens("Edit")
    form.get_by_role("checkbox", name="All endpoints").check()
    form.get_by_label("Expires").select_option(label="Never")
    press(form, "Save")
    person.is_told("Saved search-service.")
    expect(main.get_by_text("All endpoints, including future ones.")).to_be_visible()

    form = person.opens("Revoke")
    expect(form.get_by_text("This cannot be undone.")).to_be_visible()
    press(form, "Revoke")
    person.is_told("Revoked search-service.")
    form = person.opens("Delete")
    press(form, "Delete")
    person.is_told("Deleted search-service.")
    expect(person.page.get_by_role("heading", name="No gateway tokens yet")).to_be_visible()


def test_reloading_shows_it_no_more(person: Person) -> None:
    shown = creates(person, "search-service", "search")
    token = token_in(shown)

    person.page.reload()

    expect(person.page.get_by_text(token)).to_have_count(0)
    if not person.scripts:
        expect(
            person.page.get_by_text("Another gateway token already has this name.")
        ).to_be_visible()
    assert GatewayToken.objects.count() == 1


def test_what_a_choice_hides_is_not_there(person: Person) -> None:
    person.goes_to("/tokens/new/")
    main = person.page.get_by_role("main")
    box, day = main.get_by_role("checkbox", name="search"), main.get_by_label("Last day")
    expect(day).to_be_hidden()

    main.get_by_role("checkbox", name="All endpoints").check()
    main.get_by_label("Expires").select_option(label="On a date")

    expect(box).to_be_hidden()
    day.fill("2099-12-31")
    textbox(main, "Name").fill("ops")
    press(main, "Create")
    expect(main.get_by_role("heading", name="Created ops")).to_be_visible()
    assert GatewayToken.objects.get().expires_at.year == 2099


@pytest.mark.usefixtures("many")
def test_of_many_endpoints_several_are_typed_one_after_the_other(person: Person) -> None:
    person.goes_to("/tokens/")
    form = person.opens("Create token")
    textbox(form, "Name").fill("search-service")
    field = form.get_by_role("combobox", name="Endpoints")
    if person.scripts:
        field.press_sequentially("sear")
        form.get_by_role("option", name="search", exact=True).click()
        expect(field).to_have_value("search, ")
        field.press_sequentially("TRANS")
        expect(form.get_by_role("listbox").get_by_role("option")).to_have_count(1)
        field.press("Enter")
        expect(field).to_have_value("search, translate, ")
        field.click()
        form.get_by_role("option", name="endpoint-07", exact=True).click()
    else:
        field.fill("search, translate endpoint-07")
    press(form, "Create")

    expect(form.get_by_role("heading", name="Created search-service")).to_be_visible()
    names = GatewayToken.objects.get().endpoints.order_by("name").values_list("name", flat=True)
    assert list(names) == ["endpoint-07", "search", "translate"]


def test_the_second_editor_sees_a_conflict_and_keeps_the_input(
    person: Person, open_browser: OpenBrowser, kim: User, make_token: MakeToken
) -> None:
    token = make_token("search-service")
    colleague = open_browser(kim, scripts=person.scripts)
    for each in (person, colleague):
        each.goes_to(f"/tokens/{token.pk}/")
    mine, theirs = person.opens("Edit"), colleague.opens("Edit")
    theirs.get_by_label("Expires").select_option(label="In 7 days")
    press(theirs, "Save")
    colleague.is_told("Saved search-service.")

    textbox(mine, "Name").fill("Typed for minutes")
    mine.get_by_label("Expires").select_option(label="In 30 days")
    with person.sees_another_form(mine):
        press(mine, "Save")

    output = mine.get_by_role("alert").filter(has_text="while you were editing")
    expect(output).to_contain_text("Expires")
    expect(textbox(mine, "Name")).to_have_value("Typed for minutes")


# --- Copying it ----------------------------------------------------------------------------------


def test_the_token_is_copied_by_keyboard_and_that_is_announced(
    open_browser: OpenBrowser, kim: User
) -> None:
    person = open_browser(kim, permissions=["clipboard-read", "clipboard-write"])
    shown = creates(person, "search-service", "search")
    expect(shown.get_by_role("alert")).to_be_focused()

    person.page.keyboard.press("Tab")
    expect(shown.get_by_role("button", name="Copy", exact=True)).to_be_focused()
    person.page.keyboard.press("Enter")

    expect(shown.get_by_role("status").first).to_have_text("Copied")
    assert person.page.evaluate("navigator.clipboard.readText()") == token_in(shown)


def test_it_is_copied_where_the_browser_has_no_clipboard_to_offer(
    open_browser: OpenBrowser, kim: User
) -> None:
    """As on http in an office network."""
    person = open_browser(kim)
    person.page.add_init_script("delete Navigator.prototype.clipboard")
    shown = creates(person, "search-service", "search")
    token = token_in(shown)

    press(shown, "Copy")

    expect(shown.get_by_role("status").first).to_have_text("Copied")
    press(shown, "Close")
    expect(person.page.get_by_role("link", name="search-service", exact=True)).to_be_visible()
    search = person.page.get_by_role("searchbox", name="Search")
    search.focus()
    person.page.keyboard.press("Control+V")
    expect(search).to_have_value(token)
    search.fill("")


def test_without_scripts_there_is_no_button_that_does_nothing(
    open_browser: OpenBrowser, kim: User
) -> None:
    shown = creates(open_browser(kim, scripts=False), "search-service", "search")

    expect(shown.get_by_role("button", name="Copy")).to_have_count(0)
    expect(shown.locator("#token")).to_be_visible()


def test_escape_does_not_lose_it_and_closing_shows_the_list_with_it(
    open_browser: OpenBrowser, kim: User
) -> None:
    person = open_browser(kim)
    shown = creates(person, "search-service", "search")

    person.page.keyboard.press("Escape")
    expect(shown.locator("#token")).to_be_visible()
    press(shown, "Close")

    expect(person.row("search-service")).to_be_visible()
    expect(person.page.locator("#token")).to_have_count(0)


def test_a_token_is_nowhere_but_on_the_page_that_showed_it(
    person: Person, server: Server, log: io.StringIO
) -> None:
    shown = creates(person, "search-service", "search")
    token = token_in(shown)
    for path in ("/", "/tokens/", f"/tokens/{GatewayToken.objects.get().pk}/edit/", "/activity/"):
        person.goes_to(path)
    person.page.go_back()

    places = places_of(server.exchanges, [person], log)
    answers = [exchange for exchange in server.exchanges if token.encode() in exchange.answer]

    assert leaks({"it": token}, places) == ["it in answers"]
    assert [(exchange.method, exchange.target) for exchange in answers] == [
        ("POST", "/tokens/new/")
    ]
