"""Every page and every dialog, one after the other, filled as in real life."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Locator, expect

from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import Sealed
from tests.conftest import MakeEndpoint, MakeKey

from .person import Person, textbox

View = Callable[[Person], None]


def furnish(make_key: MakeKey, make_endpoint: MakeEndpoint) -> None:
    """Fill the lists with what people really store, some of it long, foreign or broken."""
    production = make_key("my-openai-key", team="Search", description="For the site.\nAsk Kim.")
    make_key("openai-staging", environment="staging")
    make_key(
        "a-name-of-eighty-characters-which-nobody-broke-into-parts-and-which-goes-on-and-on"[:80]
    )
    make_key("مفتاح الإنتاج", "anthropic")
    azure = make_key("azure-westeurope", "azure", environment="development")
    make_key("vertex-maps", "vertex_ai", environment="staging")
    make_key("bedrock-role", "bedrock", "default_chain")
    broken = make_key("sealed-elsewhere", "mistral")
    CredentialVersion.objects.filter(api_key=broken).update(sealed=Sealed(b"gAAAAABmade-up"))
    ApiKey.objects.filter(pk=azure.pk).update(created_at=timezone.now() - timedelta(days=400))
    make_endpoint("search-assistant", production)
    make_endpoint("summaries", production, model="gpt-5-nano-2026-01-01-with-a-long-suffix")
    make_endpoint("nightly-batch", production, enabled=False)
    make_endpoint("translate", azure, model="gpt-5")
    make_endpoint("orphan", None)


def key_page(name: str, page: str = "") -> str:
    return f"/api-keys/{ApiKey.objects.get(name=name).pk}/{page}"


def at(path: str) -> View:
    return lambda person: person.goes_to(path)


def of_key(name: str, page: str = "") -> View:
    return lambda person: person.goes_to(key_page(name, page))


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


def changed_meanwhile(person: Person, form: Locator) -> None:
    key = ApiKey.objects.get(name="my-openai-key")
    ApiKey.objects.filter(pk=key.pk).update(rev=key.rev + 1)


def account_menu(person: Person) -> None:
    person.goes_to("/")
    person.page.locator("summary").click()


def missing(person: Person) -> None:
    person.watch.expect(404)
    person.goes_to("/nowhere/")


def refused_sign_in(person: Person) -> None:
    person.goes_to("/login/")
    person.signs_in(password="guessed")
    expect(person.page.get_by_role("alert").first).to_be_visible()


SIGNED_OUT: dict[str, View] = {"sign-in": at("/login/"), "sign-in refused": refused_sign_in}
EMPTY: dict[str, View] = {
    "overview empty": at("/"),
    "keys empty": at("/api-keys/"),
    "endpoints empty": at("/endpoints/"),
    "activity empty": at("/activity/"),
    "create endpoint without keys": dialog("/endpoints/", "Create Endpoint"),
}
KEYS: dict[str, View] = {
    "keys": at("/api-keys/"),
    "keys none fits": at("/api-keys/?q=zzz"),
    "key": of_key("my-openai-key"),
    "key unreadable": of_key("sealed-elsewhere"),
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
    "delete key page": of_key("azure-westeurope", "delete/"),
    "overview": at("/"),
    "activity": at("/activity/"),
    "password": at("/password/"),
    "account menu": account_menu,
    "missing": missing,
}
ENDPOINTS: dict[str, View] = {
    "endpoints": at("/endpoints/"),
    "endpoint": at("/endpoints/search-assistant/"),
    "endpoint without key": at("/endpoints/orphan/"),
    "create endpoint dialog": dialog("/endpoints/", "Create Endpoint"),
    "create endpoint list open": dialog(
        "/endpoints/", "Create Endpoint", opened("API key", "open")
    ),
    "create endpoint refused": dialog(
        "/endpoints/", "Create Endpoint", pressed("Create", Name="Not A Name", Model="gpt-5")
    ),
    "edit endpoint dialog": dialog("/endpoints/", "Edit summaries"),
    "edit endpoint page": at("/endpoints/search-assistant/edit/"),
    "delete endpoint active": dialog("/endpoints/", "Delete summaries"),
    "delete endpoint refused": dialog("/endpoints/", "Delete summaries", pressed("Delete")),
    "delete endpoint disabled": dialog("/endpoints/", "Delete nightly-batch"),
}


def tour(person: Person, views: dict[str, View]) -> Iterator[str]:
    """Bring ``person`` before each of ``views`` in turn."""
    for name, show in views.items():
        show(person)
        person.page.wait_for_load_state("networkidle")
        yield name
