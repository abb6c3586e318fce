"""Creating an API key."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import ApiKey, AuthScheme
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import (
    errors_in,
    html_of,
    inputs_of,
    messages_after,
    new_key,
    opened,
    rows_of,
    text_of,
)
from tests.conftest import MakeKey
from tests.fakes import OPENAI_KEY, config_for, credentials_for, service_account

pytestmark = pytest.mark.django_db

DEEP = "[" * 60_000  # JSON that no parser likes
CANARY = "sk-CanaryThatNoPageMayShow0123456789"


def scheme_of(provider: str, scheme: str = "") -> AuthScheme:
    schemes = AuthScheme.objects.select_related("provider").filter(provider__slug=provider)
    return schemes.get(slug=scheme) if scheme else schemes[0]


# --- Choosing, all of it in the URL --------------------------------------------------------------


def test_it_begins_with_a_name_and_a_provider(client: Client) -> None:
    inputs = inputs_of(client.get("/api-keys/new/"))

    assert set(inputs) == {
        "name", "provider", "environment", "team", "description", "next",
        "rotate_every_days", "expires_at", "expiry_notice_days", "fields_for", "paste",
    }  # fmt: skip


def test_common_providers_come_first_and_then_the_rest(client: Client) -> None:
    page = html_of(client.get("/api-keys/new/"))

    groups = re.findall(r'data-group="([^"]+)"', page)
    assert len(groups) >= 77
    assert groups[0] == "Common"
    assert groups == sorted(groups, key=groups.index)


def test_the_url_says_what_is_asked_for(client: Client) -> None:
    response = client.get("/api-keys/new/?provider=bedrock&scheme=access_keys&name=aws&team=Shop")

    inputs = inputs_of(response)
    assert response.status_code == 200
    assert inputs["name"] == "aws"
    assert inputs["team"] == "Shop"
    assert inputs["provider"] == "Amazon Bedrock"
    assert {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"} < set(inputs)
    assert inputs["aws_region_name"] == "us-east-1"
    assertContains(response, '<option value="access_keys" selected>Access keys</option>', html=True)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("openai", "OpenAI"),
        ("OPENAI", "OpenAI"),
        (" OpenAI ", "OpenAI"),
        ("azure-openai", "Azure OpenAI"),
        ("google_ai_studio", "Google Gemini"),
        ("vllm", "vLLM"),
        ("anthr", "Anthropic"),
        ("Bedrock", "Amazon Bedrock"),
        ("fireworks", "Fireworks AI"),
    ],
)
def test_a_provider_is_found_by_name_slug_alias_or_the_part_that_only_it_has(
    client: Client, typed: str, found: str
) -> None:
    response = client.get("/api-keys/new/", {"provider": typed, "name": "kept"})

    assert response.status_code == 200
    assert inputs_of(response)["provider"] == found
    assert inputs_of(response)["name"] == "kept"


@pytest.mark.parametrize("typed", ["nonsense", "<b>x</b>", "\0", "ai", "x" * 500, "🔑", "'", "%00"])
def test_an_unknown_provider_is_a_clear_page(client: Client, typed: str) -> None:
    response = client.get("/api-keys/new/", {"provider": typed, "name": "kept"})

    assert response.status_code == 422
    assert set(errors_in(response)) == {"provider"}
    assert inputs_of(response)["name"] == "kept"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("scheme", ["nonsense", "<b>", "\0", "access_keys"])
def test_an_unknown_method_is_a_clear_page(client: Client, provider: str, scheme: str) -> None:
    response = client.get("/api-keys/new/", {"provider": provider, "scheme": scheme})

    assert response.status_code == 422
    assert "does not have this authentication method" in text_of(response)


def test_changing_the_provider_keeps_the_name_and_forgets_the_method_of_the_old_one(
    client: Client,
) -> None:
    """What the browser sends, with and without scripts: the new provider and the old method."""
    query = {"provider": "Anthropic", "scheme": "azure_entra", "name": "my-key", "team": "Shop"}

    response = client.get("/api-keys/new/", query, headers={"HX-Request": "true"})

    inputs = inputs_of(response)
    assert inputs["name"] == "my-key"
    assert inputs["team"] == "Shop"
    assert "api_key" in inputs


@pytest.mark.parametrize(
    ("provider", "methods"),
    [
        ("openai", 3),
        ("bedrock", 4),
        ("vertex_ai", 2),
        ("databricks", 2),
        ("anthropic", 0),
        ("groq", 0),
    ],
)
def test_the_method_is_asked_for_only_where_there_are_several(
    client: Client, provider: str, methods: int
) -> None:
    response = client.get("/api-keys/new/", {"provider": provider})

    assert ("scheme" in inputs_of(response)) is bool(methods)
    if methods:
        select = html_of(response).split('<select name="scheme"')[1].split("</select>")[0]
        assert select.count("<option ") == methods


def test_azure_is_offered_by_openai_and_by_itself_with_the_same_inputs(client: Client) -> None:
    inside = inputs_of(client.get("/api-keys/new/?provider=openai&scheme=azure_api_key"))
    itself = inputs_of(client.get("/api-keys/new/?provider=azure&scheme=api_key"))

    assert set(inside) == set(itself) > {"api_key", "api_base", "api_version"}


def test_a_secret_in_the_url_is_not_taken_up(client: Client) -> None:
    response = client.get("/api-keys/new/", {"provider": "openai", "api_key": CANARY})

    assert CANARY not in html_of(response)


def test_without_javascript_choosing_a_provider_drops_credentials_and_keeps_the_rest(
    client: Client, openai: AuthScheme
) -> None:
    form = new_key(openai, "my & key", team="Shop", description="It’s\nours", api_key=CANARY)

    response = client.post("/api-keys/new/", {**form, "choose": "1", "provider": "azure"})

    target = response.headers["Location"]
    assert response.status_code == 302
    assert urlsplit(target).path == "/api-keys/new/"
    assert "Canary" not in target
    kept = parse_qs(urlsplit(target).query)
    assert (kept["name"], kept["team"], kept["provider"]) == (["my & key"], ["Shop"], ["azure"])
    page = client.get(target)
    assert inputs_of(page)["name"] == "my & key"
    assert "It’s\nours" in html_of(page)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("shown", ["", "openai/api_key", "nobody/nothing"])
def test_values_of_another_methods_fields_are_not_taken(client: Client, shown: str) -> None:
    """The base URL of OpenAI is not the endpoint of Azure, although both inputs have one name."""
    form = new_key(
        scheme_of("azure", "api_key"), "azure", fields_for=shown, team="Shop",
        api_base="https://api.openai.com/v1", api_version="",
    )  # fmt: skip

    response = client.post("/api-keys/new/", form)

    inputs = inputs_of(response)
    assert response.status_code == 422
    assert errors_in(response) == {}
    assert (inputs["api_base"], inputs["api_version"]) == ("", "2024-10-21")
    assert (inputs["name"], inputs["team"]) == ("azure", "Shop")
    assert inputs["fields_for"] == "azure/api_key"
    assert not ApiKey.objects.exists()


# --- Creating ------------------------------------------------------------------------------------


def test_a_key_is_created_sealed_and_listed(client: Client, openai: AuthScheme) -> None:
    form = new_key(openai, "my-openai-key", team=" Shop ", description="For the shop.")

    response = client.post("/api-keys/new/", form)

    assert response.status_code == 302
    assert response.headers["Location"] == "/api-keys/"
    assert messages_after(client, response) == ["Created my-openai-key."]
    key = ApiKey.objects.get()
    assert (key.name, key.team, key.description) == ("my-openai-key", "Shop", "For the shop.")
    assert key.scheme == openai
    assert opened(key) == {"api_key": OPENAI_KEY}
    assert rows_of(client.get("/api-keys/"))[0]["Key"] == "…wXyZ"
    event = AuditEvent.objects.get()
    assert (event.actor, event.act, event.channel) == ("kim", "created", "page")


def test_the_name_alone_of_a_provider_creates_with_its_first_method(client: Client) -> None:
    form = {
        "name": "a",
        "environment": "production",
        "provider": "anthropic",
        "api_key": OPENAI_KEY,
    }

    assert client.post("/api-keys/new/", form).status_code == 302
    assert ApiKey.objects.get().scheme.provider.name == "Anthropic"


def test_every_method_of_every_provider_can_be_filled_in_and_created(
    client: Client, settings: Settings
) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://localhost:*"]
    schemes = list(AuthScheme.objects.select_related("provider"))
    assert len(schemes) > 90

    for scheme in schemes:
        query = {"provider": scheme.provider.slug, "scheme": scheme.slug, "name": str(scheme)}
        inputs = inputs_of(client.get("/api-keys/new/", query))
        asked = {**credentials_for(scheme), **config_for(scheme)}
        assert set(asked) <= set(inputs), scheme
        inputs |= {"environment": "production", "scheme": scheme.slug, **asked}
        response = client.post("/api-keys/new/", inputs)
        assert response.status_code == 302, (scheme, errors_in(response))

    assert ApiKey.objects.count() == len(schemes)


def test_azure_keeps_the_origin_of_a_pasted_url_and_adds_a_note(client: Client) -> None:
    url = "https://Acme.openai.azure.com/openai/deployments/x?api-version=1"
    form = new_key(scheme_of("openai", "azure_api_key"), "azure", api_base=url)

    response = client.post("/api-keys/new/", form)

    assert ApiKey.objects.get().config["api_base"] == "https://acme.openai.azure.com"
    notes = " ".join(messages_after(client, response))
    assert "Kept only the endpoint: https://acme.openai.azure.com" in notes


def test_a_service_account_fills_in_its_project(client: Client) -> None:
    form = new_key(
        scheme_of("vertex_ai"),
        "vertex",
        vertex_credentials=service_account(project_id="acme-shop"),
        vertex_project="",
    )

    response = client.post("/api-keys/new/", form)

    assert ApiKey.objects.get().config["vertex_project"] == "acme-shop"
    assert "Project ID: taken from the vertex credentials." in messages_after(client, response)
    assert rows_of(client.get("/api-keys/"))[0]["Key"] == "…beef"


def test_a_keyless_server_needs_the_operators_permission(
    client: Client, settings: Settings
) -> None:
    form = new_key(scheme_of("ollama", "none"), "ollama", api_base="http://localhost:11434")

    refused = client.post("/api-keys/new/", form)
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://localhost:11434"]
    allowed = client.post("/api-keys/new/", form)

    assert refused.status_code == 422
    assert "ALLOWED_PRIVATE_ORIGINS=http://localhost:11434" in errors_in(refused)["api_base"]
    assert allowed.status_code == 302
    assert opened(ApiKey.objects.get()) == {}


def test_the_servers_own_identity_asks_for_no_credentials(client: Client) -> None:
    page = client.get("/api-keys/new/?provider=bedrock&scheme=default_chain")
    response = client.post("/api-keys/new/", new_key(scheme_of("bedrock", "default_chain"), "aws"))

    assertContains(page, "Gatehouse uses the identity of its server")
    assert response.status_code == 302
    assert rows_of(client.get("/api-keys/"))[0]["Key"] == "Server identity"


# --- The messages afterwards ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "note"),
    [
        (f"Bearer {OPENAI_KEY}", "Removed Bearer from the pasted text."),
        (f"  {OPENAI_KEY}\r\n", "Removed spaces from the pasted text."),
        (
            f'export OPENAI_API_KEY="{OPENAI_KEY}"',
            "Removed OPENAI_API_KEY= and quotes from the pasted text.",
        ),
    ],
)
def test_what_surrounds_a_pasted_key_is_removed_with_a_note(
    client: Client, openai: AuthScheme, typed: str, note: str
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, api_key=typed))

    assert note in messages_after(client, response)
    assert opened(ApiKey.objects.get()) == {"api_key": OPENAI_KEY}


def test_a_credential_stored_under_another_name_is_reported(
    client: Client, openai: AuthScheme, make_key: MakeKey
) -> None:
    make_key("the-first")

    response = client.post("/api-keys/new/", new_key(openai, "the-second"))

    twin = "The same credentials are also stored as “the-first”."
    assert messages_after(client, response) == ["Created the-second.", twin]


def test_an_admin_key_is_warned_about_and_taken(client: Client, openai: AuthScheme) -> None:
    form = new_key(openai, api_key="sk-admin-MadeUpForTests0000000000")

    response = client.post("/api-keys/new/", form)

    assert "This is an admin key" in " ".join(messages_after(client, response))


def test_a_temporary_aws_key_without_its_token_is_warned_about(client: Client) -> None:
    form = new_key(
        scheme_of("bedrock", "access_keys"), "aws", aws_access_key_id="ASIAIOSFODNN7EXAMPLE"
    )

    response = client.post("/api-keys/new/", form)

    assert "only together with its session token" in " ".join(messages_after(client, response))


def test_an_unknown_prefix_is_accepted_without_a_note(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai, api_key="zz-what-is-this-0123456"))

    assert messages_after(client, response) == ["Created my-openai-key."]


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        f"{CANARY} {CANARY}",
        f"{CANARY}\n{CANARY}",
        f"{CANARY}\0",
        f"{CANARY}\u200b",
        f"{CANARY}\u202e",
        f"{CANARY}é",
        f"{CANARY}\x07",
        f"{CANARY}…",
        CANARY * 300,
    ],
)
def test_an_impossible_key_is_refused_and_never_returned(
    client: Client, openai: AuthScheme, typed: str
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, "kept-name", api_key=typed))

    assert response.status_code == 422
    assert set(errors_in(response)) == {"api_key"}
    assertNotContains(response, "Canary", status_code=422)
    assert inputs_of(response)["name"] == "kept-name"
    assert not ApiKey.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("mask", ["…wXyZ", "sk-...abcd", "••••••••", "********", "xxxxxxxxxxxx"])
def test_a_mask_that_is_pasted_back_is_refused(
    client: Client, openai: AuthScheme, mask: str
) -> None:
    response = client.post("/api-keys/new/", new_key(openai, api_key=mask))

    assert response.status_code == 422
    assert "mask" in errors_in(response)["api_key"]


@pytest.mark.parametrize(
    ("provider", "scheme", "changes", "field"),
    [
        ("openai", "api_key", {"name": ""}, "name"),
        ("openai", "api_key", {"name": "   "}, "name"),
        ("openai", "api_key", {"name": "\u200b"}, "name"),
        ("openai", "api_key", {"name": "x" * 81}, "name"),
        ("openai", "api_key", {"name": "a\nb"}, "name"),
        ("openai", "api_key", {"name": "a\0b"}, "name"),
        ("openai", "api_key", {"name": "a\u202eb"}, "name"),
        ("openai", "api_key", {"environment": "nonsense"}, "environment"),
        ("openai", "api_key", {"environment": ""}, "environment"),
        ("openai", "api_key", {"team": "x" * 81}, "team"),
        ("openai", "api_key", {"team": "a\rb"}, "team"),
        ("openai", "api_key", {"description": "x" * 1001}, "description"),
        ("openai", "api_key", {"description": "a\u2066b"}, "description"),
        ("openai", "api_key", {"api_base": "http://api.openai.com"}, "api_base"),
        ("openai", "api_key", {"api_base": "https://user:pw@evil.example"}, "api_base"),
        ("openai", "api_key", {"api_base": "https://127.1/"}, "api_base"),
        ("openai", "api_key", {"api_base": "https://[::1]"}, "api_base"),
        ("openai", "api_key", {"api_base": "https://["}, "api_base"),
        ("openai", "api_key", {"api_base": "javascript:alert(1)"}, "api_base"),
        ("azure", "api_key", {"api_base": "https://evil.example"}, "api_base"),
        ("azure", "api_key", {"api_base": "https://["}, "api_base"),
        ("azure", "api_key", {"api_base": "https://a℀b.openai.azure.com"}, "api_base"),
        ("azure", "api_key", {"api_base": ""}, "api_base"),
        ("azure", "api_key", {"api_version": "latest-ish"}, "api_version"),
        ("vertex_ai", "service_account_json", {"vertex_project": "Acme!"}, "vertex_project"),
        ("vertex_ai", "service_account_json", {"vertex_credentials": "{}"}, "vertex_credentials"),
        ("vertex_ai", "service_account_json", {"vertex_credentials": DEEP}, "vertex_credentials"),
        ("vertex_ai", "service_account_json", {"vertex_location": "a b"}, "vertex_location"),
        ("bedrock", "access_keys", {"aws_region_name": "mars"}, "aws_region_name"),
        ("bedrock", "access_keys", {"aws_secret_access_key": ""}, "aws_secret_access_key"),
        ("bedrock", "iam_role", {"aws_role_name": "arn:aws:iam::1:role/x"}, "aws_role_name"),
        ("databricks", "oauth_m2m", {"client_secret": ""}, "client_secret"),
        ("openai_compatible", "api_key", {"extra_headers": "Host: evil"}, "extra_headers"),
    ],
)  # fmt: skip
def test_an_error_is_shown_at_its_input(
    client: Client, provider: str, scheme: str, changes: dict[str, str], field: str
) -> None:
    response = client.post("/api-keys/new/", new_key(scheme_of(provider, scheme), **changes))

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert OPENAI_KEY not in html_of(response)
    assert not ApiKey.objects.exists()


def test_a_service_account_whose_members_are_nonsense_never_breaks_the_page(client: Client) -> None:
    scheme = scheme_of("vertex_ai")
    for number, nonsense in enumerate(["\ud800", "\0", "\u202e", "x" * 9000, 1, {"a": "b"}, ["x"]]):
        for member in ("private_key_id", "project_id", "client_email", "private_key"):
            for project in ("", "acme-search"):
                form = new_key(
                    scheme,
                    f"key {number} {member} {project}",
                    vertex_credentials=service_account(**{member: nonsense}),
                    vertex_project=project,
                )
                response = client.post("/api-keys/new/", form, follow=True)
                assert response.status_code in (200, 422), (member, nonsense)


@pytest.mark.parametrize(
    "name", ["My-OpenAI-Key", "  my-openai-key ", "ＭＹ-openai-key", "MY-OPENAI-KEY"]
)
def test_a_name_that_is_taken_is_an_error_on_the_name(
    client: Client, openai: AuthScheme, make_key: MakeKey, name: str
) -> None:
    make_key("my-openai-key")

    response = client.post("/api-keys/new/", new_key(openai, name, team="kept", api_key=CANARY))

    assert response.status_code == 422
    assert errors_in(response) == {"name": "Another API key already has this name."}
    assert inputs_of(response)["team"] == "kept"
    assertNotContains(response, CANARY, status_code=422)


def test_two_long_names_that_begin_alike_are_no_accident(
    client: Client, openai: AuthScheme
) -> None:
    """Letters that unfold to many: the names differ, what the index holds of them does not."""
    first, second = "ﷺ" * 79 + "a", "ﷺ" * 79 + "b"

    statuses = [
        client.post("/api-keys/new/", new_key(openai, name)).status_code
        for name in (first, second, first)
    ]

    assert statuses[0] == 302
    assert statuses[2] == 422


def test_every_error_is_shown_at_once(client: Client) -> None:
    form = new_key(scheme_of("azure"), "", api_key="", api_base="nonsense", api_version="x")

    response = client.post("/api-keys/new/", form)

    assert set(errors_in(response)) == {"name", "api_key", "api_base", "api_version"}


@pytest.mark.parametrize("form", [{}, {"name": "x", "environment": "production"}])
def test_a_form_without_a_provider_asks_for_one(client: Client, form: dict[str, str]) -> None:
    response = client.post("/api-keys/new/", {**form, "provider": ""})

    assert response.status_code == 422
    assert errors_in(response).get("provider") == "Choose a provider."
    assert "" not in errors_in(response)


def test_a_form_of_an_unknown_provider_keeps_what_was_typed_except_credentials(
    client: Client, openai: AuthScheme
) -> None:
    form = new_key(openai, "kept", provider="nonsense", api_key=CANARY)

    response = client.post("/api-keys/new/", form)

    assert response.status_code == 422
    assert set(errors_in(response)) == {"provider"}
    assert inputs_of(response)["name"] == "kept"
    assertNotContains(response, CANARY, status_code=422)
    assert not ApiKey.objects.exists()


def test_a_method_of_another_provider_is_refused(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai, scheme="access_keys"))

    assert response.status_code == 422
    assert "does not have this authentication method" in errors_in(response)["scheme"]
    assert not ApiKey.objects.exists()


# --- Going on from there -------------------------------------------------------------------------


def test_it_leads_back_to_the_endpoint_that_wanted_a_key(
    client: Client, openai: AuthScheme
) -> None:
    form = new_key(openai, "my & key", next="/endpoints/new/?name=search")

    response = client.post("/api-keys/new/", form)

    created = ApiKey.objects.get().pk
    assert response.headers["Location"] == f"/endpoints/new/?name=search&created_key={created}"
    assert inputs_of(client.get(response.headers["Location"]))["routes-0-api_key"] == "my & key"


def test_the_next_page_is_kept_after_an_error(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai, "", next="/endpoints/new/?name=a"))

    assert inputs_of(response)["next"] == "/endpoints/new/?name=a"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "///evil.example",
        "https://evil.example/",
        "http:evil.example",
        "http:///evil.example",
        "https://testserver/",
        "/\\evil.example",
        "\\\\evil.example",
        "\t//evil.example",
        " //evil.example",
        "\x00//evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//[evil",
        "nonsense",
        "🔑",
        "apikeys:list",
        "?x",
        "#x",
    ],
)
def test_it_never_leads_to_another_site(client: Client, openai: AuthScheme, target: str) -> None:
    response = client.post("/api-keys/new/", new_key(openai, next=target))

    assert response.status_code == 302
    assert response.headers["Location"] == "/api-keys/"


def test_a_line_break_in_next_adds_no_header(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai, next="/a\r\nSet-Cookie: x=1"))

    assert "\n" not in response.headers["Location"]
    assert "x" not in response.cookies


def test_what_is_typed_into_a_field_the_method_does_not_have_is_not_kept(
    client: Client, openai: AuthScheme
) -> None:
    form = new_key(openai, aws_secret_access_key=CANARY, created_by="eve", rev="9", id="1")

    client.post("/api-keys/new/", form)

    key = ApiKey.objects.get()
    assert opened(key) == {"api_key": OPENAI_KEY}
    assert (key.created_by, key.rev) == ("kim", 1)
    assert CANARY not in str(key.config)


def test_reading_the_page_again_shows_no_secret(client: Client, openai: AuthScheme) -> None:
    client.post("/api-keys/new/", new_key(openai, api_key=CANARY))

    for url in ("/", "/api-keys/", ApiKey.objects.get().get_absolute_url(), "/activity/"):
        assert escape(CANARY) not in html_of(client.get(url)), url


# --- Pasting before choosing ---------------------------------------------------------------------

CLAUDE_KEY = "sk-ant-api03-CanaryThatNoPageMayShow0123456789"
AWS_BLOCK = (
    "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\nregion = eu-west-1\n"
)
AZURE_CURL = (
    'curl "https://acme.openai.azure.com/openai/deployments/gpt-5/chat/completions'
    '?api-version=2025-03-01-preview" -H "api-key: 0123456789abcdef0123456789abcdef"'
)
PASTES = {
    "a key": (CLAUDE_KEY, "anthropic", "api_key", {}),
    "a line": (f"OPENAI_API_KEY={OPENAI_KEY}", "openai", "api_key", {}),
    "another's name": (f"OPENAI_API_KEY={CLAUDE_KEY}", "anthropic", "api_key", {}),
    "curl": (
        "curl https://api.deepseek.com/chat -H 'Authorization: Bearer sk-made-up-0123456'",
        "deepseek",
        "api_key",
        {},
    ),
    "only a name": ("MISTRAL_API_KEY=abcdefgh12345678", "mistral", "api_key", {}),
    "an access key": ("AKIAIOSFODNN7EXAMPLE", "bedrock", "access_keys", {}),
    "AWS": (AWS_BLOCK, "bedrock", "access_keys", {"aws_region_name": "eu-west-1"}),
    "Azure": (
        AZURE_CURL,
        "azure",
        "api_key",
        {"api_base": "https://acme.openai.azure.com", "api_version": "2025-03-01-preview"},
    ),
    "a service account": (service_account(), "vertex_ai", "service_account_json", {}),
}


@pytest.mark.parametrize(("text", "provider", "scheme", "config"), PASTES.values(), ids=PASTES)
def test_a_pasted_text_chooses_the_provider_and_shows_no_secret(
    client: Client, text: str, provider: str, scheme: str, config: dict[str, str]
) -> None:
    form = {"name": "kept", "environment": "production", "fields_for": "", "paste": text}

    response = client.post("/api-keys/new/", {**form, "read": "1"})

    inputs = inputs_of(response)
    assert response.status_code == 200
    assert inputs["fields_for"] == f"{provider}/{scheme}"
    assert inputs["name"] == "kept"
    assert inputs["paste"] == ""
    page = html_of(response)
    assert "Canary" not in page
    assert "wJalr" not in page
    assert "0123456789abcdef" not in page
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("name", ["a key", "AWS", "Azure", "a service account"])
def test_a_pasted_text_is_enough_to_create_a_key(client: Client, name: str) -> None:
    """Without scripts, the first answer to the form is the key."""
    text, provider, scheme, config = PASTES[name]
    form = {"name": "pasted", "environment": "production", "fields_for": "", "paste": text}

    response = client.post("/api-keys/new/", form)

    assert response.status_code == 302, errors_in(response)
    key = ApiKey.objects.get()
    assert (key.scheme.provider.slug, key.scheme.slug) == (provider, scheme)
    assert config.items() <= key.config.items()
    assert all(
        value in text.replace("\\n", "\n") or value == text for value in opened(key).values()
    )


def test_what_was_typed_counts_for_more_than_what_was_pasted(
    client: Client, openai: AuthScheme
) -> None:
    form = new_key(openai, paste=f"OPENAI_API_KEY={OPENAI_KEY}other", fields_for="openai/api_key")

    client.post("/api-keys/new/", form)

    assert opened(ApiKey.objects.get()) == {"api_key": OPENAI_KEY}


@pytest.mark.parametrize("text", ["hello", "sk-1234567890", "{}", DEEP, "x" * 70_000])
def test_a_text_that_shows_no_provider_asks_for_it(client: Client, text: str) -> None:
    form = {"name": "kept", "environment": "production", "fields_for": "", "paste": text}

    read = client.post("/api-keys/new/", {**form, "read": "1"})
    sent = client.post("/api-keys/new/", form)

    assertContains(read, "Choose it here")
    assert (sent.status_code, set(errors_in(sent))) == (422, {"provider"})
    assert inputs_of(sent)["name"] == "kept"


def test_a_paste_in_the_url_is_not_taken_up(client: Client) -> None:
    response = client.get("/api-keys/new/", {"paste": f"OPENAI_API_KEY={CANARY}"})

    assert "Canary" not in html_of(response)
    assert inputs_of(response)["fields_for"] == ""


# --- Another provider's key ----------------------------------------------------------------------


def test_another_providers_key_offers_to_switch_or_to_insist(
    client: Client, openai: AuthScheme
) -> None:
    form = new_key(openai, "kept", api_key=CLAUDE_KEY, fields_for="openai/api_key")

    refused = client.post("/api-keys/new/", form)
    switched = client.post("/api-keys/new/", {**form, "switch": "anthropic"})
    insisted = client.post("/api-keys/new/", {**form, "anyway": "on"})

    assert errors_in(refused) == {"api_key": "This looks like an Anthropic key."}
    assertContains(refused, "Switch to Anthropic", status_code=422)
    assertContains(refused, "Save as OpenAI anyway", status_code=422)
    assertNotContains(refused, "Canary", status_code=422)
    inputs = inputs_of(switched)
    assert (inputs["provider"], inputs["name"]) == ("Anthropic", "kept")
    assert inputs["api_base"] == "https://api.anthropic.com"
    assertNotContains(switched, "Canary", status_code=422)
    assert insisted.status_code == 302
    assert opened(ApiKey.objects.get()) == {"api_key": CLAUDE_KEY}
