"""Enter does what the main button of a form does, in every form, and loses nothing."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor
from tests import drafts
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.fakes import OPENAI_KEY

from .person import PASSWORD, OpenBrowser, Person, textbox

pytestmark = pytest.mark.browser

CLAUDE_KEY = "sk-ant-api03-MadeUpForTests0000000000000000"


@pytest.fixture(params=["dialog", "page"])
def new_form(person: Person, request: pytest.FixtureRequest) -> Locator:
    """The form for a new key, opened from the list or by its own address."""
    if request.param == "dialog":
        person.goes_to("/api-keys/")
        return person.opens("Create API Key")
    person.goes_to("/api-keys/new/")
    return person.page.get_by_role("main")


@pytest.mark.both_ways
@pytest.mark.parametrize("last", ["Name", "API key", "Organization ID"])
def test_enter_creates_a_key_from_whichever_field(
    person: Person, new_form: Locator, last: str
) -> None:
    textbox(new_form, "Name").fill("openai-production")
    person.chooses_provider(new_form, "OpenAI")
    textbox(new_form, "API key").fill(OPENAI_KEY)

    textbox(new_form, last).press("Enter")

    person.is_told("Created openai-production.")
    assert ApiKey.objects.get().name == "openai-production"


@pytest.mark.both_ways
def test_enter_without_a_provider_asks_for_one_and_keeps_the_name(
    person: Person, new_form: Locator
) -> None:
    textbox(new_form, "Name").fill("openai-production")

    with person.sees_another_form(new_form):
        textbox(new_form, "Name").press("Enter")

    provider = new_form.get_by_role("combobox", name="Provider")
    expect(provider).to_have_accessible_description(re.compile("Choose a provider"))
    expect(textbox(new_form, "Name")).to_have_value("openai-production")
    if person.scripts:
        expect(provider).to_be_focused()


def test_enter_after_a_mistake_keeps_the_typed_credential_where_scripts_run(
    person: Person, new_form: Locator, make_key: MakeKey
) -> None:
    make_key("taken")
    textbox(new_form, "Name").fill("TAKEN")
    person.chooses_provider(new_form, "OpenAI")
    textbox(new_form, "API key").fill(OPENAI_KEY)

    with person.sees_another_form(new_form):
        textbox(new_form, "API key").press("Enter")

    expect(textbox(new_form, "API key")).to_have_value(OPENAI_KEY if person.scripts else "")
    textbox(new_form, "Name").fill("free")
    if not person.scripts:
        textbox(new_form, "API key").fill(OPENAI_KEY)
    textbox(new_form, "Name").press("Enter")
    person.is_told("Created free.")


def test_a_credential_survives_another_choice_of_provider_where_scripts_run(
    open_browser: OpenBrowser, kim: User
) -> None:
    person = open_browser(kim)
    person.goes_to("/api-keys/")
    form = person.opens("Create API Key")
    textbox(form, "Name").fill("claude")
    person.chooses_provider(form, "OpenAI")
    textbox(form, "API key").fill(CLAUDE_KEY)

    person.chooses_provider(form, "Google Vertex AI")
    person.chooses_provider(form, "Anthropic")
    expect(textbox(form, "API key")).to_have_value(CLAUDE_KEY)
    form.get_by_role("link", name="Cancel").click()
    person.opens("Create API Key")
    person.chooses_provider(form, "Anthropic")

    expect(textbox(form, "API key")).to_have_value("")


def test_enter_with_a_provider_whose_fields_were_not_shown_shows_them(
    open_browser: OpenBrowser, kim: User
) -> None:
    """Without scripts, fields change only when the form is sent: no field takes another's value."""
    person = open_browser(kim, scripts=False)
    person.goes_to("/api-keys/new/?provider=openai")
    form = person.page.get_by_role("main")
    textbox(form, "Name").fill("azure")
    textbox(form, "API key").fill(OPENAI_KEY)  # or the browser asks for it
    person.types(form.get_by_role("combobox", name="Provider"), "Azure OpenAI")

    with person.sees_another_form(form):
        textbox(form, "Name").press("Enter")

    expect(form.get_by_text("These are the fields of Azure OpenAI")).to_be_visible()
    expect(textbox(form, "Name")).to_have_value("azure")
    expect(textbox(form, "Endpoint URL")).to_have_value("")
    expect(textbox(form, "API version")).to_have_value("2024-10-21")
    assert not ApiKey.objects.exists()


OR_TYPE = re.compile("ype the name|ype shared|ype staged")
NEW_KEY = OPENAI_KEY + "x"
FORMS = {
    "edit a key": ("/api-keys/{key}/edit/", "Team", "Search", "Saved shared."),
    "replace credentials": ("/api-keys/{key}/edit/", "API key", NEW_KEY, "Saved shared."),
    "delete a key": ("/api-keys/{key}/delete/", OR_TYPE, "shared", "Deleted shared."),
    "stage": ("/api-keys/{staged}/stage/", "API key", NEW_KEY, re.compile("Staged")),
    "promote": ("/api-keys/{staged}/promote/", OR_TYPE, "staged", re.compile("Promoted")),
    "create an endpoint": ("/endpoints/new/?api_key=shared", "Name", "find", "Created find."),
    "edit an endpoint": ("/endpoints/search/edit/", "Name", "find", re.compile("Saved")),
    "edit a token": ("/tokens/{token}/edit/", "Name", "finder", re.compile("Saved")),
    "search keys": ("/api-keys/", "Search", "shared", "1 API key"),
    "search endpoints": ("/endpoints/", "Search", "search", "1 endpoint"),
    "search tokens": ("/tokens/", "Search", "service", "1 gateway token"),
    "search activity": ("/activity/", "Search", "staged", re.compile(r"\d events")),
}


@pytest.mark.both_ways
@pytest.mark.parametrize("case", FORMS)
def test_enter_sends_every_other_form(
    person: Person,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
    by: Actor,
    case: str,
) -> None:
    path, label, text, shown = FORMS[case]
    key, staged = make_key("shared"), make_key("staged")
    token = make_token("search-service", make_endpoint("search", key))
    drafts.stage(staged, {"api_key": OPENAI_KEY + "2"}, by=by)
    person.goes_to(path.format(key=key.pk, staged=staged.pk, token=token.pk))
    form = person.page.get_by_role("main")
    if case == "create an endpoint":
        textbox(form, "Model").fill("gpt-5-mini")
    field = form.get_by_label(label, exact=isinstance(label, str)).first

    field.fill(text)
    field.press("Enter")

    expect(person.page.get_by_role("main").get_by_text(shown).first).to_be_visible()


FILTERS = {
    "keys by environment": ("/api-keys/", "Filter by environment", "Staging", "1 API key"),
    "keys by provider": ("/api-keys/", "Filter by provider", "OpenAI", "2 API keys"),
    "keys by expiry": ("/api-keys/", "Filter by expiry", "Expires in 7", "No matching API keys"),
    "endpoints by status": ("/endpoints/", "Filter by status", "Down", "No matching endpoints"),
    "tokens by status": ("/tokens/", "Filter by status", "Revoked", "No matching tokens"),
    "activity by kind": ("/activity/", "Kind", "Gateway tokens", "1 event"),
    "activity since": ("/activity/", "From", "2999-01-01", "No matching events"),
    "activity until": ("/activity/", "To", "2001-01-01", "No matching events"),
}


@pytest.mark.parametrize("case", FILTERS)
def test_enter_in_a_filter_applies_it(
    person: Person,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    make_token: MakeToken,
    case: str,
) -> None:
    path, label, choice, shown = FILTERS[case]
    make_token("search-service", make_endpoint("search", make_key("shared")))
    make_key("other", environment="staging")
    person.goes_to(path)
    field = person.page.get_by_label(label, exact=True)

    if choice[0].isdigit():
        field.fill(choice)
        field.press("Enter")
    else:
        field.press_sequentially(choice)
        if person.scripts:
            field.press("Enter")
        else:  # on a closed list, Enter is the browser's own business
            person.page.get_by_role("button", name="Search", exact=True).press("Enter")

    expect(person.page.get_by_role("main").get_by_text(shown, exact=True)).to_be_visible()
    expect(person.page).to_have_url(re.compile(r"\?"))


def test_enter_in_a_field_saves_and_on_save_and_next_goes_on(
    person: Person, make_key: MakeKey
) -> None:
    for number in (1, 2, 3):
        make_key(f"key-{number}")
    listed = f"{person.home}/api-keys/?q=key"
    person.goes_to("/api-keys/?q=key")
    form = person.opens("Edit key-1")
    textbox(form, "Team").fill("Search")

    textbox(form, "Team").press("Enter")

    person.is_told("Saved key-1.")
    expect(person.page).to_have_url(listed)
    form = person.opens("Edit key-1")
    textbox(form, "Team").fill("Chat")
    form.get_by_role("button", name="Save and next").press("Enter")
    person.is_told("Saved key-1.")
    expect(person.page.get_by_role("heading", name="Edit key-2")).to_be_visible()
    teams = ApiKey.objects.order_by("name").values_list("team", flat=True)
    assert list(teams) == ["Chat", "", ""]


def test_enter_on_a_choice_between_two_values_saves_it(person: Person, make_key: MakeKey) -> None:
    key = make_key("shared", description="Ours")
    person.goes_to(f"/api-keys/{key.pk}/")
    form = person.opens("Edit")
    ApiKey.objects.filter(pk=key.pk).update(team="Theirs", rev=key.rev + 1)
    textbox(form, "Description").fill("Typed for minutes.")
    textbox(form, "Team").fill("Mine")
    with person.sees_another_form(form):
        textbox(form, "Team").press("Enter")
    mine = form.get_by_role("radiogroup", name="Team").get_by_label("You entered Mine")

    mine.press("Enter")  # nothing is chosen yet
    expect(mine).not_to_be_checked()
    assert ApiKey.objects.get().team == "Theirs"
    mine.press(" ")
    mine.press("Enter")

    person.is_told("Saved shared.")
    stored = ApiKey.objects.get()
    assert (stored.team, stored.description) == ("Mine", "Typed for minutes.")


def test_enter_creates_a_token(person: Person) -> None:
    person.goes_to("/tokens/new/")
    form = person.page.get_by_role("main")
    form.get_by_label("All endpoints").check()
    textbox(form, "Name").fill("search-service")

    textbox(form, "Name").press("Enter")

    expect(person.page.get_by_role("heading", name="Created search-service")).to_be_visible()


def test_enter_signs_in_and_changes_the_password(
    open_browser: OpenBrowser, kim: User, scripts: bool
) -> None:
    person = open_browser(scripts=scripts)
    person.goes_to("/login/?next=/api-keys/")
    person.page.get_by_label("Username").fill("kim")
    person.page.get_by_label("Password").fill(PASSWORD)
    person.page.get_by_label("Password").press("Enter")
    expect(person.page.get_by_role("heading", name="API Keys", exact=True)).to_be_visible()

    person.goes_to("/password/")
    for field in person.page.get_by_role("main").locator("input[type=password]").all():
        field.fill(PASSWORD + ("" if "old" in (field.get_attribute("name") or "") else "-2"))
    person.page.get_by_role("main").locator("input[type=password]").last.press("Enter")

    expect(person.page).to_have_url(f"{person.home}/")
    assert User.objects.get().check_password(PASSWORD + "-2")
