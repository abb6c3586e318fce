"""Every page and every dialog, one after the other, filled as in real life."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone
from playwright.sync_api import Locator, expect

from apikeys import sealing
from apikeys.models import ApiKey, CredentialVersion, ServerProcess
from apikeys.sealing import Sealed, Secrets
from endpoints.models import GatewayToken
from gatewayproject.accounts.actors import Actor
from tests import drafts
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.usage import use

from .person import Person, textbox

View = Callable[[Person], None]


def furnish(make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken) -> None:
    """Fill the lists with what people really store, some of it long, foreign or broken."""
    production = make_key("my-openai-key", team="Search", description="For the site.\nAsk Kim.")
    make_key("openai-staging", environment="staging")
    make_key("مفتاح الإنتاج", "anthropic")
    long_key = with_long_names(make_key)
    azure = make_key("azure-westeurope", "azure", environment="development")
    make_key("vertex-maps", "vertex_ai", environment="staging")
    make_key("bedrock-role", "bedrock", "default_chain")
    rotating(make_key("rotating"), make_key("refused", "anthropic"))
    broken = make_key("sealed-elsewhere", "mistral")
    CredentialVersion.objects.filter(api_key=broken).update(sealed=Sealed(b"gAAAAABmade-up"))
    ApiKey.objects.filter(pk=azure.pk).update(created_at=timezone.now() - timedelta(days=400))
    endpoints = [make_endpoint("search-assistant", production)]
    endpoints += [make_endpoint(f"batch-{letter}", broken) for letter in "abc"]
    soon = timezone.now() + timedelta(days=3)
    make_token("search-service-production", *endpoints[:2], expires_at=soon)
    make_token("an-application-with-a-long-name-without-any-place-to-break-it", *endpoints)
    make_token("operations")
    for name, change in (("expired-one", "expires_at"), ("revoked-one", "revoked_at")):
        token = make_token(name, endpoints[0])
        GatewayToken.objects.filter(pk=token.pk).update(**{change: timezone.now()})
    make_endpoint("summaries", production, model="gpt-5-nano-2026-01-01-with-a-long-suffix")
    make_endpoint("nightly-batch", production, enabled=False)
    make_endpoint("translate", azure, model="gpt-5")
    make_endpoint("orphan", None)
    longest = make_endpoint("e" * 63, long_key, model="m" * 120)
    make_token("x" * 80, longest)
    make_token("鍵" * 80)
    for route in (*endpoints[0].routes.all(), *longest.routes.all()):
        use(route, requests=700, refused=30, unreachable=2, input_tokens=123456)
        use(route, ago=timedelta(hours=5), requests=300, output_tokens=65432)


def with_long_names(make_key: MakeKey) -> ApiKey:
    """Make keys with the longest names there can be: unbroken, wide, from right to left, emoji."""
    for name in ("鍵" * 80, "مفتاح" * 16, "🔑" * 80):
        make_key(name, environment="development")
    return make_key("x" * 80, team="t" * 80, description="d" * 200)


def rotating(key: ApiKey, refused: ApiKey) -> None:
    """Two keys with all that can be said of their credentials."""
    by, now = Actor("kim", channel="page"), timezone.now()
    for each in (key, refused):
        drafts.save(each, Secrets(api_key="sk-made-up-second-0000000000-2nd2"), by=by)
        drafts.stage(each, Secrets(api_key="sk-made-up-third-00000000000-3rd3"), by=by)
    CredentialVersion.objects.filter(api_key=key).update(
        tested_at=now, test_outcome="rate_limited", expires_at=now + timedelta(hours=9)
    )
    CredentialVersion.objects.filter(api_key=refused).update(
        tested_at=now, test_outcome="refused", expires_at=now - timedelta(hours=9)
    )
    long_ago = now - timedelta(days=200)
    ApiKey.objects.filter(pk=key.pk).update(due_at=now, credentials_changed_at=long_ago)
    ApiKey.objects.filter(pk=refused.pk).update(
        refused_at=now, expires_at=now, overdue_at=now, enabled=False
    )


def key_page(name: str, page: str = "") -> str:
    return f"/api-keys/{ApiKey.objects.get(name=name).pk}/{page}"


def at(path: str) -> View:
    return lambda person: person.goes_to(path)


def of_key(name: str, page: str = "") -> View:
    return lambda person: person.goes_to(key_page(name, page))


def of_token(name: str, page: str = "") -> View:
    def view(person: Person) -> None:
        person.goes_to(f"/tokens/{GatewayToken.objects.get(name=name).pk}/{page}")

    return view


def dialog(path: str, link: str, *then: Callable[[Person, Locator], None]) -> View:
    """Open a dialog and do ``then`` in it."""

    def view(person: Person) -> None:
        person.goes_to(path)
        form = person.opens(link)
        for act in then:
            act(person, form)

    return view


def provider(name: str) -> Callable[[Person, Locator], None]:
    return lambda person, form: person.chooses_provider(form, name)


def method(name: str) -> Callable[[Person, Locator], None]:
    return lambda person, form: person.chooses_method(form, name)


def pressed(button: str, **texts: str) -> Callable[[Person, Locator], None]:
    """Send the form with ``texts`` in it, which is refused."""

    def press(person: Person, form: Locator) -> None:
        for label, text in texts.items():
            textbox(form, label.replace("_", " ")).fill(text)
        with person.sees_another_form(form):
            form.get_by_role("button", name=button).last.click()

    return press


def opened(label: str, typed: str = "") -> Callable[[Person, Locator], None]:
    def open_list(person: Person, form: Locator) -> None:
        form.get_by_role("combobox", name=label).click()
        person.types(form.get_by_role("combobox", name=label), typed)
        expect(form.get_by_role("listbox").get_by_role("option").first).to_be_visible()

    return open_list


def dialog_of(name: str, link: str, *then: Callable[[Person, Locator], None]) -> View:
    """The same for a dialog that opens from the page of a key."""
    return lambda person: dialog(key_page(name), link, *then)(person)


def staged_meanwhile(person: Person, form: Locator) -> None:
    key = ApiKey.objects.get(name="rotating")
    drafts.stage(
        key, Secrets(api_key="sk-made-up-fourth-0000000000-4th4"), by=Actor("mia", channel="page")
    )


def changed_meanwhile(person: Person, form: Locator) -> None:
    key = ApiKey.objects.get(name="my-openai-key")
    ApiKey.objects.filter(pk=key.pk).update(team="Ads", rev=key.rev + 1)


def token_changed_meanwhile(person: Person, form: Locator) -> None:
    GatewayToken.objects.filter(name="operations").update(name="theirs", name_key="theirs")


def token_created(person: Person, form: Locator) -> None:
    textbox(form, "Name").fill("made-for-the-gallery")
    form.get_by_label("All endpoints").check()
    form.get_by_role("button", name="Create", exact=True).click()
    expect(form.get_by_role("heading", name="Created made-for-the-gallery")).to_be_visible()


def account_menu(person: Person) -> None:
    person.goes_to("/")
    person.page.locator(".menu summary").click()


def encryption(person: Person) -> None:
    """Half-way through a rotation, with a server that is in the way."""
    first = sealing.master_keys().primary
    facts = {"version": "0.1.0", "started_at": Now(), "seen_at": Now()}
    ServerProcess.objects.create(host="app-1", pid=4711, master_keys=[first], **facts)
    ServerProcess.objects.create(
        host="a-host-with-a-long-name.eu-central-1.internal.example",
        pid=3,
        master_keys=["0123456789abcdef", first],
        **facts,
    )
    CredentialVersion.objects.filter(api_key__name="azure-westeurope").update(master_key="f" * 16)
    person.goes_to("/encryption/")


def missing(person: Person) -> None:
    person.watch.expect(404)
    person.goes_to("/nowhere/")


def refused_sign_in(person: Person) -> None:
    person.goes_to("/login/")
    person.signs_in(password="guessed")
    expect(person.page.get_by_role("alert").first).to_be_visible()


def selected(*names: str, press: str = "", then: str = "") -> View:
    """Check the boxes of keys, press a button of the bar, and then one of the form it opens."""

    def view(person: Person) -> None:
        person.goes_to("/api-keys/")
        for name in names:
            person.page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
        bar = person.page.get_by_role("form", name="Selected API keys")
        expect(bar).to_contain_text(f"{len(names)} selected")
        if press:
            bar.get_by_role("button", name=press, exact=True).click()
            form = person.dialog()
            if then:
                with person.sees_another_form(form):
                    form.get_by_role("button", name=then, exact=True).click()

    return view


def selected_and_gone(person: Person) -> None:
    person.watch.expect(422)
    person.goes_to("/api-keys/selected/edit/")


SIGNED_OUT: dict[str, View] = {"sign-in": at("/login/"), "sign-in refused": refused_sign_in}
EMPTY: dict[str, View] = {
    "overview empty": at("/"),
    "keys empty": at("/api-keys/"),
    "endpoints empty": at("/endpoints/"),
    "tokens empty": at("/tokens/"),
    "activity empty": at("/activity/"),
    "create endpoint without keys": dialog("/endpoints/", "Create Endpoint"),
    "create token without endpoints": dialog("/tokens/", "Create token"),
}
KEYS: dict[str, View] = {
    "keys": at("/api-keys/"),
    "keys none fits": at("/api-keys/?q=zzz"),
    "key": of_key("my-openai-key"),
    "key unreadable": of_key("sealed-elsewhere"),
    "key rotating": of_key("rotating"),
    "key refused": of_key("refused"),
    "key with a long name": of_key("x" * 80),
    "key endpoints dialog": dialog("/api-keys/", "3 endpoints that use my-openai-key"),
    "create key page": at("/api-keys/new/?provider=openai&name=my-second-key"),
    "create key dialog": dialog("/api-keys/", "Create API Key"),
    "create key list open": dialog("/api-keys/", "Create API Key", opened("Provider", "a")),
    "create key openai": dialog("/api-keys/", "Create API Key", provider("OpenAI")),
    "create key vertex": dialog("/api-keys/", "Create API Key", provider("Google Vertex AI")),
    "create key bedrock": dialog(
        "/api-keys/",
        "Create API Key",
        provider("Amazon Bedrock"),
        method("Access keys"),
    ),
    "create key refused": dialog(
        "/api-keys/",
        "Create API Key",
        provider("Azure OpenAI"),
        pressed(
            "Create",
            Name="MY-OPENAI-KEY",
            API_key="sk-1234…abcd",
            Endpoint_URL="https://example.com",
            API_version="yesterday",
        ),
    ),
}
ROTATING: dict[str, View] = {
    "stage": dialog_of("rotating", "Stage new credentials"),
    "stage page": of_key("bedrock-role", "stage/"),
    "stage refused": dialog_of(
        "rotating", "Stage new credentials", pressed("Stage", API_key="sk-made up")
    ),
    "stage conflict": dialog_of(
        "rotating",
        "Stage new credentials",
        staged_meanwhile,
        pressed("Stage", API_key="sk-made-up-0000"),
    ),
    "promote": dialog_of("rotating", "Promote"),
    "promote refused": dialog_of("rotating", "Promote", pressed("Promote")),
    "roll back page": of_key("rotating", "roll-back/"),
    "discard": dialog_of("rotating", "Discard"),
    "destroy": dialog_of("rotating", "Destroy"),
    "disable": dialog_of("my-openai-key", "Disable"),
    "disable page": of_key("rotating", "disable/"),
    "enable page": of_key("refused", "enable/"),
    "test page": of_key("rotating", "test/"),
    "keys refused": at("/api-keys/?status=refused"),
}
KEYS_TOO: dict[str, View] = {
    "edit key page": of_key("vertex-maps", "edit/"),
    "edit key dialog": dialog("/api-keys/", "Edit my-openai-key"),
    "edit key refused": dialog(
        "/api-keys/",
        "Edit azure-westeurope",
        pressed("Save", Endpoint_URL="https://b.openai.azure.com"),
    ),
    "edit key conflict": dialog(
        "/api-keys/", "Edit my-openai-key", changed_meanwhile, pressed("Save", Team="Maps")
    ),
    "delete key plain": dialog("/api-keys/", "Delete bedrock-role"),
    "delete key with dependents": dialog("/api-keys/", "Delete my-openai-key"),
    "delete key list open": dialog(
        "/api-keys/", "Delete my-openai-key", opened("Move the endpoints to", "open")
    ),
    "delete key refused": dialog("/api-keys/", "Delete my-openai-key", pressed("Delete")),
    "delete key with a long name": dialog_of("x" * 80, "Delete"),
    "delete key page": of_key("azure-westeurope", "delete/"),
    "overview": at("/"),
    "activity": at("/activity/"),
    "encryption": encryption,
    "password": at("/password/"),
    "account menu": account_menu,
    "missing": missing,
}
SELECTED: dict[str, View] = {
    "keys selected": selected("my-openai-key", "azure-westeurope"),
    "disable selected": selected("my-openai-key", "azure-westeurope", press="Disable"),
    "edit selected": selected("my-openai-key", "rotating", press="Edit"),
    "edit selected refused": selected("rotating", press="Edit", then="Save"),
    "delete selected": selected("my-openai-key", "sealed-elsewhere", press="Delete"),
    "delete selected refused": selected("my-openai-key", press="Delete", then="Delete"),
    "delete selected page": lambda person: person.goes_to("/api-keys/selected/delete/?all=1&list="),
    "selected too many": selected_and_gone,
    "move": dialog_of("my-openai-key", "Move endpoints"),
    "move refused": dialog_of("my-openai-key", "Move endpoints", pressed("Move")),
    "move page without a target": of_key("azure-westeurope", "move/"),
    "duplicate": dialog("/api-keys/", "Duplicate azure-westeurope"),
}
ENDPOINTS: dict[str, View] = {
    "endpoints": at("/endpoints/"),
    "endpoint": at("/endpoints/search-assistant/"),
    "endpoint with a long name": at(f"/endpoints/{'e' * 63}/"),
    "endpoint without key": at("/endpoints/orphan/"),
    "create endpoint dialog": dialog("/endpoints/", "Create Endpoint"),
    "create endpoint list open": dialog(
        "/endpoints/", "Create Endpoint", opened("API key", "open")
    ),
    "create endpoint refused": dialog(
        "/endpoints/", "Create Endpoint", pressed("Create", Name="Not A Name", Model="gpt-5")
    ),
    "edit endpoint dialog": dialog("/endpoints/", "Edit summaries"),
    "edit endpoint with long names": dialog(f"/endpoints/{'e' * 63}/", "Edit"),
    "edit endpoint page": at("/endpoints/search-assistant/edit/"),
    "delete endpoint active": dialog("/endpoints/", "Delete summaries"),
    "delete endpoint refused": dialog("/endpoints/", "Delete summaries", pressed("Delete")),
    "delete endpoint disabled": dialog("/endpoints/", "Delete nightly-batch"),
}

TOKENS: dict[str, View] = {
    "tokens": at("/tokens/"),
    "tokens none fits": at("/tokens/?q=zzz"),
    "token": of_token("search-service-production"),
    "token with a long name": of_token("x" * 80),
    "token revoked": of_token("revoked-one"),
    "token endpoints dialog": dialog(
        "/tokens/",
        "4 endpoints of an-application-with-a-long-name-without-any-place-to-break-it",
    ),
    "create token page": at("/tokens/new/"),
    "create token dialog": dialog("/tokens/", "Create token"),
    "create token refused": dialog(
        "/tokens/", "Create token", pressed("Create", Name="OPERATIONS")
    ),
    "token created": dialog("/tokens/", "Create token", token_created),
    "edit token dialog": dialog("/tokens/", "Edit search-service-production"),
    "edit token conflict": dialog(
        "/tokens/", "Edit operations", token_changed_meanwhile, pressed("Save", Name="mine")
    ),
    "edit token revoked": of_token("revoked-one", "edit/"),
    "revoke token": dialog("/tokens/", "Revoke search-service-production"),
    "delete token": dialog("/tokens/", "Delete expired-one"),
    "delete token active": of_token("search-service-production", "delete/"),
}
ADMIN_MODELS = (
    *("apikeys/apikey", "apikeys/authscheme", "accounts/auditevent", "apikeys/provider"),
    *("auth/group", "auth/user", "endpoints/endpoint", "endpoints/gatewaytoken"),
)


def first_row_of(model: str, page: str = "change") -> View:
    """A page about the first row in the admin's list of ``model``."""

    def view(person: Person) -> None:
        person.goes_to(f"/admin/{model}/")
        row = person.page.locator("#result_list tbody th a").first.get_attribute("href") or ""
        person.goes_to(row.replace("/change/", f"/{page}/"))

    return view


def route_added(person: Person) -> None:
    """In the admin, one more route for an endpoint, with a key chosen from the list."""
    first_row_of("endpoints/endpoint")(person)
    person.page.get_by_role("button", name="Add another Route").click()
    person.page.get_by_role("combobox", name="API key").last.click()
    listed = person.page.get_by_role("listbox").get_by_role("option")
    listed.filter(has_text="my-openai-key").click()


ADMIN: dict[str, View] = {
    "admin": at("/admin/"),
    **{f"admin {model}": at(f"/admin/{model}/") for model in ADMIN_MODELS},
    "admin history": lambda person: person.goes_to(
        f"/admin/apikeys/apikey/{ApiKey.objects.get(name='x' * 80).pk}/history/"
    ),
}
ADMIN_FORMS: dict[str, View] = {
    **{f"admin change {model}": first_row_of(model) for model in ADMIN_MODELS},
    **{
        f"admin add {model}": at(f"/admin/{model}/add/")
        for model in ADMIN_MODELS
        if model not in ("accounts/auditevent", "endpoints/gatewaytoken")  # there is no such page
    },
    "admin delete key": first_row_of("apikeys/apikey", "delete"),
    "admin replace credentials": first_row_of("apikeys/apikey", "credentials"),
    "admin add route": route_added,
    "admin password": at("/admin/password_change/"),
}
MANY_ENDPOINTS: dict[str, View] = {
    "create token many endpoints": dialog("/tokens/", "Create token"),
    "create token list open": dialog("/tokens/", "Create token", opened("Endpoints", "search, b")),
}


def tour(person: Person, views: dict[str, View]) -> Iterator[str]:
    """Bring ``person`` before each of ``views`` in turn."""
    for name, show in views.items():
        show(person)
        person.page.evaluate("document.fonts.ready")
        yield name
