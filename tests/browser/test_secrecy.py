"""A secret that was typed is nowhere to be found afterwards, save sealed."""

import io
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apikeys import services
from apikeys.models import ApiKey
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import service_account

from .canaries import aws_canary, canary, everything_logged, leaks, places_of
from .person import PASSWORD, OpenBrowser, Person, textbox
from .serving import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def log(server: Server) -> Iterator[io.StringIO]:
    with everything_logged() as log:
        yield log


class Typist:
    """Types secrets into forms, and remembers each."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.secrets: dict[str, str] = {"the password": PASSWORD}

    def types(self, label: str, secret: str, *, on: str) -> None:
        form = self.person.page.get_by_role("main")
        textbox(form, label).fill(secret)
        self.secrets[on] = secret

    def opens(self, path: str, **texts: str) -> None:
        self.person.goes_to(path)
        self.fills(**texts)

    def fills(self, **texts: str) -> None:
        for label, text in texts.items():
            textbox(self.person.page.get_by_role("main"), label.replace("_", " ")).fill(text)

    def presses(self, button: str) -> None:
        self.person.page.get_by_role("button", name=button, exact=True).click()

    def is_refused(self, button: str, because: str) -> None:
        main = self.person.page.get_by_role("main")
        with self.person.sees_another_form(main):
            self.presses(button)
        expect(main.get_by_text(because).first).to_be_visible()


def creates(typist: Typist) -> None:
    typist.opens("/api-keys/new/?provider=openai", Name="taken")
    typist.types("API key", canary(), on="a name that is taken")
    typist.is_refused("Create", "already has this name")
    typist.types("API key", f"{canary()} and more", on="white space")
    typist.is_refused("Create", "contains spaces")
    typist.types("API key", canary(), on="creating")
    typist.fills(Name="openai")
    typist.presses("Create")
    typist.person.is_told("Created openai.")

    typist.opens(
        "/api-keys/new/?provider=azure", Name="azure", Endpoint_URL="https://evil.example.com"
    )
    typist.types("API key", canary(""), on="a wrong URL")
    typist.is_refused("Create", "Enter an Azure endpoint")
    typist.types("API key", canary(""), on="Azure")
    typist.fills(Endpoint_URL="https://acme.openai.azure.com")
    typist.presses("Create")
    typist.person.is_told("Created azure.")

    typist.opens("/api-keys/new/?provider=vertex_ai", Name="vertex", Project_ID="acme-search")
    typist.types("Service account JSON", f'{{"private_key": "{canary()}"', on="half a JSON")
    typist.is_refused("Create", "This is not JSON")
    key = f"-----BEGIN PRIVATE KEY-----{canary('')}"
    typist.types("Service account JSON", service_account(private_key=key), on="service account")
    typist.secrets["service account"] = key
    typist.presses("Create")
    typist.person.is_told("Created vertex.")

    typist.opens("/api-keys/new/?provider=bedrock&scheme=access_keys", Name="bedrock")
    typist.types("Access key ID", aws_canary(), on="access key ID")
    typist.types("Secret access key", canary(""), on="secret access key")
    typist.presses("Create")
    typist.person.is_told("Created bedrock.")


def edits(typist: Typist) -> None:
    key = ApiKey.objects.get(name="openai")
    edit = f"/api-keys/{key.pk}/edit/"
    typist.opens(edit, Name="taken")
    typist.types("API key", canary(), on="a rename to a name that is taken")
    typist.is_refused("Save", "already has this name")
    typist.opens(edit)
    config = key.config | {"organization": "org-Other"}
    ApiKey.objects.filter(pk=key.pk).update(rev=key.rev + 1, config=config)
    typist.types("API key", canary(), on="a conflict")
    typist.is_refused("Save", "while you were editing")
    typist.types("API key", canary(), on="editing")
    typist.presses("Save")
    typist.person.is_told("Saved openai.")
    typist.opens(edit)
    base_url = typist.person.page.get_by_role("combobox", name="API base URL")
    base_url.fill("https://eu.api.openai.com/v1")
    typist.types("API key", canary(), on="moving")
    typist.presses("Save")
    typist.person.is_told("Saved openai.")


def rotates(typist: Typist) -> None:
    key = ApiKey.objects.get(name="azure")
    stage = f"/api-keys/{key.pk}/stage/"
    typist.opens(stage)
    typist.types("API key", f"{canary('')} and more", on="staging white space")
    typist.is_refused("Stage", "contains spaces")
    ApiKey.objects.filter(pk=key.pk).update(rev=key.rev + 1)
    typist.types("API key", canary(""), on="a conflict of staging")
    typist.is_refused("Stage", "Nothing was done.")
    for on in ("staging", "staging again"):
        typist.types("API key", canary(""), on=on)
        typist.presses("Stage")
        typist.person.is_told("Staged new credentials for azure. Test them, then promote them.")
        typist.opens(stage)
    typist.opens(f"/api-keys/{key.pk}/promote/")
    confirmation = "Type azure to promote without a passing test"
    typist.fills(**{confirmation: "azure"})
    typist.presses("Promote")
    typist.person.is_told("Promoted: azure uses the new credentials.")
    typist.opens(f"/api-keys/{key.pk}/roll-back/")
    typist.presses("Roll back")
    typist.person.is_told("Rolled back: azure uses the previous credentials again.")


def meets_with_accidents(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    person, page = typist.person, typist.person.page
    person.watch.expect(403, 404, 413, 500)  # 404: the administration has no icon

    def break_down(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken on purpose")

    typist.opens("/api-keys/new/?provider=openai", Name="unlucky")
    typist.types("API key", canary(), on="a crash")
    with (
        monkeypatch.context() as patched,
        page.expect_response(lambda answer: answer.status == 500),
    ):
        patched.setattr(services, "create_api_key", break_down)
        typist.presses("Create")

    typist.opens("/api-keys/new/?provider=openai", Name="unlucky")
    page.context.clear_cookies(name="gatehouse_csrf")
    typist.types("API key", canary(), on="an expired form")
    with page.expect_response(lambda answer: answer.status == 403):
        typist.presses("Create")

    typist.opens("/api-keys/new/?provider=openai", Name="unlucky")
    typist.types("API key", canary() + "x" * 600_000, on="far too much")
    typist.secrets["far too much"] = typist.secrets["far too much"].rstrip("x")
    with page.expect_response(lambda answer: answer.status == 413):
        typist.presses("Create")

    typist.opens("/api-keys/new/?provider=openai", Name="unlucky")
    Session.objects.all().delete()
    typist.types("API key", canary(), on="an expired session")
    typist.presses("Create")
    person.signs_in()
    expect(page.get_by_role("heading", name="Create API Key")).to_be_visible()


PAGES = ("edit/", "stage/", "promote/", "roll-back/", "destroy/", "test/", "disable/", "delete/")


def looks_at_everything(typist: Typist) -> None:
    keys = ApiKey.objects.all()
    paths = [f"/api-keys/{key.pk}/{page}" for key in keys for page in ("", *PAGES)]
    for path in ["/", "/api-keys/", "/activity/", "/admin/apikeys/apikey/", *paths]:
        typist.person.goes_to(path)
        expect(typist.person.page.get_by_role("main").first).to_be_visible()


def deletes(typist: Typist) -> None:
    key = ApiKey.objects.get(name="openai")
    typist.opens(f"/api-keys/{key.pk}/delete/")
    typist.presses("Delete")
    typist.person.is_told("Deleted openai.")


@pytest.mark.slow
@pytest.mark.both_ways
def test_a_canary_is_found_nowhere_after_all_that_can_be_done_with_it(
    open_browser: OpenBrowser,
    kim: User,
    server: Server,
    log: io.StringIO,
    make_key: MakeKey,
    scripts: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_key("taken", secrets={"api_key": (before := canary())})
    person = open_browser(scripts=scripts)
    typist = Typist(person)

    person.goes_to("/api-keys/")
    person.signs_in()
    creates(typist)
    edits(typist)
    rotates(typist)
    meets_with_accidents(typist, monkeypatch)
    looks_at_everything(typist)
    deletes(typist)

    posted = {"a form": b"".join(bytes(exchange.sent) for exchange in server.exchanges)}
    arrived = leaks(typist.secrets, posted)
    assert arrived == sorted(f"{name} in a form" for name in typist.secrets)
    typist.secrets["made by a service"] = before
    assert leaks(typist.secrets, places_of(server.exchanges, [person], log)) == []


def test_the_search_for_canaries_finds_one_in_each_place(
    open_browser: OpenBrowser,
    kim: User,
    server: Server,
    log: io.StringIO,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
) -> None:
    planted = canary()
    person = open_browser(kim)

    make_key(description=planted)
    person.goes_to(f"/api-keys/?q={planted[-20:]}")
    person.page.evaluate("text => sessionStorage.setItem('planted', text)", planted)
    session = Session.objects.get()
    store = session.get_session_store_class()(session.session_key)
    store["planted"] = planted
    store.save()
    person.goes_to("/api-keys/new/?provider=openai")
    main = person.page.get_by_role("main")
    textbox(main, "Name").fill(planted)  # a message says "Created …", in a cookie
    textbox(main, "API key").fill(canary())
    main.get_by_role("button", name="Create", exact=True).click()
    person.is_told(f"Created {planted}.")
    person.page.reload()

    found = leaks({"it": planted}, places_of(server.exchanges, [person], log))

    everywhere = places_of([], [], log)
    assert found == sorted(f"it in {place}" for place in everywhere)
