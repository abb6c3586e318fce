"""Random forms, queries, paths and bodies: no error of ours, and no secret comes back.

500 examples in all; ``FUZZ_EXAMPLES`` asks for more, and ``make fuzz`` for ten thousand.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.messages import get_messages
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, AuthScheme
from endpoints.models import GatewayToken
from endpoints.services import digest_of_details
from tests.browsing import edited, html_of, new_key
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.fakes import PEM, service_account

# CI asks for more examples, on machines that are busy.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(1800)]

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "500"))
FORM = "application/x-www-form-urlencoded"
CANARY = "CanaryThatNoPageMayShow0123456789"

ACTS = "stage promote roll-back discard destroy disable enable".split()  # "test" calls a provider

Form = dict[str, list[str]]


def fuzz(strategy: SearchStrategy[Any], share: float) -> Callable[[Callable[[Any], None]], None]:
    """Run a function with its ``share`` of all examples, each undone afterwards."""

    def run(act: Callable[[Any], None]) -> None:
        @settings(
            max_examples=max(round(EXAMPLES * share), 10),
            deadline=None,
            derandomize=False,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def examples(example: Any) -> None:
            with transaction.atomic():
                act(example)
                transaction.set_rollback(True)

        examples()

    return run


# --- What people type ----------------------------------------------------------------------------

NASTY = [
    "", " ", "\0", "a\0b", "\r\n", "a\rb", "\t", "\x1b[31m", "\x7f", "\u202eb", "\u2066",
    "\u200b", "\ufeff", "\u00ad", "\u2028", "\U000e0041", "\ufffe", "🔑", "👩‍👩‍👧", "é",
    "مفتاح", "İ", "ß", "ﷺ" * 80, "\u0301" * 80, "<script>alert(1)</script>", "</textarea>",
    "{{ x }}", "{% debug %}", "' OR 1=1 --", '"', "`", "&amp;", "%", "_", "\\", "%00", "%s", "..",
    "../../etc/passwd", "//evil.example", "/\\evil", "javascript:alert(1)", "0", "-1", "1.5",
    "1e309", "NaN", "2147483647", "2147483648", "9223372036854775808", "9" * 20, "9" * 5000, "٣",
    "on", "None", "null", "true", "[]", "{}", "[" * 9000, "x" * 64, "x" * 81, "x" * 1001,
    "x" * 9000, "x" * 60_000, "https://[", "https://[::1]", "https://a℀b.openai.azure.com",
    "http://127.1", "https://0x7f.1", "https://x:99999", "https://x:y@z.example",
    "https://example.com?q#f", "https://\u3002", "https://.", "https://xn--",
    "https://EXAMPLE.com./", "//", "://", "Bearer ", "OPENAI_API_KEY=", "…abcd", "sk-admin-x",
    "openai", "OpenAI", "azure", "vertex_ai", "bedrock", "api_key", "access_keys", "nonsense",
    "production", "my-openai-key", "MY-OPENAI-KEY", "claude", "search", "broken", "gpt-5",
    "-name", "updated", "us-east-1",
]  # fmt: skip
texts = (
    st.sampled_from(NASTY)
    | st.text(max_size=20)
    | st.text("\0\r\n\t %_\\'\"<>&{}[]:/?#@.…\u200b\u202e\u0301🔑aZ0-", max_size=20)
    | st.integers().map(str)
)
SECRETS = [
    CANARY, f"sk-{CANARY}", f"Bearer {CANARY}", f"OPENAI_API_KEY='{CANARY}'",
    f" {CANARY}\r\n", f"{CANARY}\0", f"{CANARY} {CANARY}", f"\u202e{CANARY}", f"{CANARY}é",
    f"{CANARY}\ud7ff", f"…{CANARY}", f"{CANARY}...", CANARY * 300, CANARY * 3000,
    f"AKIA{CANARY}", f"ASIA{CANARY}", f"X-Team: {CANARY}", f"Host: {CANARY}",
    f"{CANARY}:\n: {CANARY}", f"{{{CANARY}", f'"{CANARY}"', f'{{"{CANARY}": 1}}',
    f"[{CANARY}]", f"<b>{CANARY}",
]  # fmt: skip
secrets = st.sampled_from(SECRETS)


@st.composite
def service_accounts(draw: st.DrawFn) -> str:
    """A service account's JSON that holds the canary, with something strange in another member."""
    strange = texts | st.sampled_from(["\ud800", "\0", 1, None, {}, [], 10**400, True])
    member = draw(st.sampled_from(["type", "project_id", "private_key_id", "client_email", "x"]))
    key = PEM.replace("bWFk", CANARY)
    return service_account(**{"private_key": key, member: draw(strange)})


def forms(
    valid: Mapping[str, Any], *, secret: list[str] = (), others: list[str] = ()
) -> SearchStrategy[Form]:
    """A valid form in which a few values are changed, repeated, left out or added."""
    base = {name: [str(value)] for name, value in valid.items()}
    names = st.sampled_from([*base, *others])
    changes = st.dictionaries(names, st.lists(texts, max_size=2), max_size=3)
    credentials = st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(secrets | service_accounts(), min_size=1, max_size=2) for name in secret
        },
    )
    return st.builds(lambda *parts: {k: v for part in parts for k, v in part.items()},
                     st.just(base), changes, credentials)  # fmt: skip


# --- The house they come to ----------------------------------------------------------------------


class House:
    """A client, a few keys and endpoints, and what has to hold whatever is sent."""

    def __init__(self, client: Client, keys: dict[str, ApiKey]) -> None:
        self.client, self.keys = client, keys

    def post(self, url: str, form: Form) -> HttpResponse:
        return self.send("POST", url, urlencode(form, doseq=True).encode(), FORM)

    def send(
        self, method: str, url: str, body: bytes = b"", content_type: str = ""
    ) -> HttpResponse:
        self.client.cookies.pop("messages", None)
        response = self.client.generic(method, url, body, content_type=content_type)
        shown = " ".join(message.message for message in get_messages(response.wsgi_request))
        assert response.status_code < 500, (method, url)
        assert CANARY not in response.content.decode()
        assert CANARY not in f"{response.headers}{shown}"
        shown.encode()  # messages can be shown on the next page
        return response


@pytest.fixture
def house(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> Iterator[House]:
    keys = [
        make_key("my-openai-key", team="Shop", description="Ours"),
        make_key("spare"),
        make_key("claude", "anthropic"),
        make_key("azure", "azure"),
        make_key("entra", "azure", "service_principal"),
        make_key("aws", "bedrock", "access_keys"),
        make_key("role", "bedrock", "iam_role"),
        make_key("vertex", "vertex_ai"),
        make_key("vllm", "openai_compatible", secrets={"extra_headers": "X-Team: search"}),
    ]
    make_endpoint("search", keys[0])
    make_token("app", make_endpoint("off", keys[2], enabled=False), pk=9999)
    logging.disable(logging.CRITICAL)
    yield House(client, {key.name: key for key in keys})
    logging.disable(logging.NOTSET)


# --- Forms ---------------------------------------------------------------------------------------


def test_a_random_form_for_a_new_key(house: House) -> None:
    stored = [key.scheme for key in house.keys.values()]  # one of each kind, so that none is rare
    schemes = [*AuthScheme.objects.select_related("provider")[::4], *stored, *stored]
    strategies = [
        forms(
            new_key(scheme, "fresh"),
            secret=[spec.name for spec in scheme.secret_specs],
            others=[*(spec.name for spec in scheme.config_specs), "choose", "rev", "config", "\0"],
        )
        for scheme in schemes
    ]
    created = 0

    @fuzz(st.one_of(strategies), 0.3)
    def create(form: Form) -> None:
        nonlocal created
        created += house.post("/api-keys/new/", form).status_code == 302

    assert created > EXAMPLES * 0.02


def test_a_random_form_for_an_act_on_a_key(house: House) -> None:
    strategies = [
        st.tuples(
            st.just(f"/api-keys/{key.pk}/{act}/"),
            forms(
                {"rev": key.rev, "confirmation": key.name, "expires_at": ""},
                secret=[spec.name for spec in key.scheme.secret_specs],
                others=["seen", "slot", "compromised"],
            ),
        )
        for key in house.keys.values()
        for act in ACTS
    ]
    done = 0

    @fuzz(st.one_of(strategies), 0.2)
    def act(example: tuple[str, Form]) -> None:
        nonlocal done
        done += house.post(*example).status_code == 302

    assert done


def test_a_random_form_for_a_stored_key(house: House) -> None:
    strategies = [
        st.tuples(
            st.just(f"/api-keys/{key.pk}/edit/"),
            forms(
                edited(key),
                secret=[spec.name for spec in key.scheme.secret_specs],
                others=[
                    *(spec.name for spec in key.scheme.config_specs),
                    *(f"remove_{spec.name}" for spec in key.scheme.secret_specs),
                    "scheme",
                    "provider",
                ],
            ),
        )
        for key in house.keys.values()
    ]
    saved = 0

    @fuzz(st.one_of(strategies), 0.2)
    def edit(example: tuple[str, Form]) -> None:
        nonlocal saved
        saved += house.post(*example).status_code == 302

    assert saved > EXAMPLES * 0.01


def test_a_random_form_to_delete_a_key(house: House) -> None:
    strategies = [
        st.tuples(
            st.just(f"/api-keys/{key.pk}/delete/"),
            forms(
                {
                    "seen": blast_radius_of(key).digest(),
                    "replacement": "",
                    "confirmation": key.name,
                },
                others=["x"],
            ),
            st.dictionaries(st.just("replacement"), texts),
        )
        for key in house.keys.values()
    ]
    deleted = 0

    @fuzz(st.one_of(strategies), 0.2)
    def delete(example: tuple[str, Form, dict[str, str]]) -> None:
        nonlocal deleted
        url, form, query = example
        deleted += house.post(f"{url}?{urlencode(query)[:3000]}", form).status_code == 302
        house.send("GET", f"{url}?{urlencode(query)[:3000]}")

    assert deleted > EXAMPLES * 0.01


ENDPOINT = {
    "name": "fresh",
    "routes-TOTAL_FORMS": "1",
    "routes-INITIAL_FORMS": "0",
    "routes-0-model": "gpt-5",
    "routes-0-api_key": "spare",
    "enabled": "on",
    "description": "",
    "rev": "1",
}


SHARED = {
    **ENDPOINT,
    "routes-TOTAL_FORMS": "3",
    "routes-0-weight": "60",
    "routes-1-model": "claude-sonnet",
    "routes-1-api_key": "claude",
    "routes-1-weight": "40",
    "routes-2-kind": "fallback",
    "routes-2-model": "gpt-5",
    "routes-2-api_key": "azure",
}
ROUTES = (
    "create_key add_primary add_fallback remove_1 remove_2 up_2 down_2 up_8 routes-0-kind "
    "routes-1-kind routes-0-route routes-1-route routes-2-route routes-3-model routes-49-api_key "
    "routes-98-weight routes-99-model routes-MIN_NUM_FORMS x"
).split()
endpoint_forms = forms(ENDPOINT, others=ROUTES) | forms(SHARED, others=ROUTES)


def test_a_random_form_for_a_new_endpoint(house: House) -> None:
    created = 0

    @fuzz(endpoint_forms, 0.1)
    def create(form: Form) -> None:
        nonlocal created
        created += house.post("/endpoints/new/", form).status_code == 302

    assert created > EXAMPLES * 0.01


def test_a_random_form_for_a_stored_endpoint(house: House) -> None:
    urls = st.sampled_from(["/endpoints/search/edit/", "/endpoints/off/edit/"])
    saved = 0

    @fuzz(st.tuples(urls, endpoint_forms), 0.08)
    def edit(example: tuple[str, Form]) -> None:
        nonlocal saved
        saved += house.post(*example).status_code == 302

    assert saved > EXAMPLES * 0.005


def test_a_random_form_to_delete_an_endpoint(house: House) -> None:
    urls = st.sampled_from(["/endpoints/search/delete/", "/endpoints/off/delete/"])

    @fuzz(st.tuples(urls, forms({"rev": "1", "confirmation": "search"})), 0.04)
    def delete(example: tuple[str, Form]) -> None:
        house.post(*example)


TOKEN = {
    "name": "fresh",
    "endpoints": "search",
    "expires_at": "date",
    "expires_on": "2099-01-01",
    "confirmed": "True",
}


def test_a_random_form_for_a_new_token(house: House) -> None:
    created = 0

    @fuzz(forms(TOKEN, others=["all_endpoints", "seen", "digest", "x"]), 0.08)
    def create(form: Form) -> None:
        nonlocal created
        created += house.post("/tokens/new/", form).status_code == 201

    assert created > EXAMPLES * 0.005


def test_a_random_form_for_a_stored_token(house: House) -> None:
    valid = TOKEN | {"seen": digest_of_details(GatewayToken.objects.get())}
    urls = st.sampled_from([f"/tokens/9999/{act}/" for act in ("edit", "edit", "revoke", "delete")])
    saved = 0

    @fuzz(st.tuples(urls, forms(valid, others=["all_endpoints", "x"])), 0.08)
    def edit(example: tuple[str, Form]) -> None:
        nonlocal saved
        saved += house.post(*example).status_code == 302

    assert saved > EXAMPLES * 0.005


# --- Queries, paths, bodies ----------------------------------------------------------------------

PARAMETERS = (
    "q provider environment sort page state scheme name team description next api_key model "
    "replacement enabled key_for created_key routes-TOTAL_FORMS routes-INITIAL_FORMS "
    "routes-0-kind routes-1-kind routes-1-model routes-1-api_key routes-1-weight routes-0-route "
    "endpoints".split()
)
queries = st.dictionaries(
    st.sampled_from(PARAMETERS) | texts, st.lists(texts, max_size=3), max_size=4
)
raw_queries = st.text("abq=&;+%0fFeE2[]'\"<>.,", max_size=30)


def test_a_random_query(house: House) -> None:
    key = house.keys["my-openai-key"].pk
    pages = [
        "/", "/api-keys/", "/api-keys/new/", f"/api-keys/{key}/", f"/api-keys/{key}/edit/",
        f"/api-keys/{key}/delete/", f"/api-keys/{key}/endpoints/", "/activity/", "/encryption/",
        "/endpoints/",
        "/endpoints/new/", "/endpoints/search/", "/endpoints/search/edit/", "/login/",
        "/tokens/", "/tokens/new/", "/tokens/9999/", "/tokens/9999/edit/", "/tokens/9999/delete/",
        *(f"/api-keys/{key}/{act}/" for act in ACTS),
    ]  # fmt: skip
    encoded = queries.map(lambda query: urlencode(query, doseq=True)[:8000])

    @fuzz(st.tuples(st.sampled_from(pages), encoded | raw_queries), 0.1)
    def look(example: tuple[str, str]) -> None:
        response = house.send("GET", "?".join(example))
        assert response.status_code in (200, 302, 422)


def test_a_random_path(house: House) -> None:
    key = str(house.keys["spare"].pk)
    known = [
        "api-keys", "endpoints", "tokens", "9999", "revoke", "activity", "new", "edit", "delete",
        "search", key, "login", "healthz", "readyz", "static", "admin", "apikeys", "apikey",
        "change", "..", "",
    ]  # fmt: skip
    parts = st.sampled_from(known) | texts.map(lambda text: quote(text[:500], safe=""))
    paths = st.lists(parts, max_size=5).map(lambda parts: "/" + "/".join(parts)) | st.builds(
        "/{}/{}/{}".format,
        st.sampled_from(["endpoints", "api-keys", "tokens"]),
        parts,
        st.sampled_from(["", "edit/", "delete/", *(f"{act}/" for act in ACTS)]),
    )
    methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])

    @fuzz(st.tuples(methods, paths), 0.05)
    def visit(example: tuple[str, str]) -> None:
        house.send(*example)


def test_a_random_body(house: House) -> None:
    key = house.keys["spare"].pk
    urls = [
        "/api-keys/new/", f"/api-keys/{key}/edit/", f"/api-keys/{key}/delete/", "/endpoints/new/",
        "/endpoints/search/edit/", "/tokens/new/", "/tokens/9999/edit/", "/login/",
        *(f"/api-keys/{key}/{act}/" for act in ACTS),
    ]  # fmt: skip
    types = [
        FORM, f"{FORM}; charset=utf-16", "multipart/form-data; boundary=x", "multipart/form-data",
        "application/json", "text/plain; charset=idna", "", "x",
    ]  # fmt: skip
    bodies = st.binary(max_size=200) | st.builds(
        lambda value: (
            b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + value + b"\r\n--x--"
        ),
        st.binary(max_size=50),
    )

    @fuzz(st.tuples(st.sampled_from(urls), bodies, st.sampled_from(types)), 0.03)
    def send(example: tuple[str, bytes, str]) -> None:
        url, body, content_type = example
        house.send("POST", url, body, content_type)


def test_the_canary_would_be_noticed(house: House) -> None:
    """In a field that is no secret it comes back, so the tests above would find it."""
    response = house.client.post("/api-keys/new/", {"provider": "openai", "name": CANARY})

    assert CANARY in html_of(response)
    assert json.loads(service_account(private_key=CANARY))["private_key"] == CANARY
