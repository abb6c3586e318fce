"""Nothing that frames or routes a request comes from a key, its scheme or a client."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apikeys.catalogue.fields import FieldSpec
from apikeys.catalogue.headers import is_sendable
from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from apikeys.sealing import Role, seal
from endpoints.models import Endpoint, Route
from gatewayproject.demo.provider import Provider
from tests.conftest import DraftKey, MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import ask, chat

REFUSED = [
    "Host",
    "Content-Length",
    "content_length",
    "Transfer-Encoding",
    "Transfer_Encoding",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "Proxy-Anything",
    "Expect",
    "TE",
    "Trailer",
    "Upgrade",
    "HTTP2-Settings",
    "Via",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X_Forwarded_Proto",
    "X-Real-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Original-URI",
    "X-Forwarded",
    "Client-IP",
    "Remote_User",
    "X-Envoy-Original-Path",
    "Cookie",
    ":authority",
    ":path",
    "X Team",
    "X-Team:",
    "X-Team\r\nHost",
    "X-Tëam",
    "",
]
VALUES = ["x\r\nHost: evil.example", "x\ny", "x\rHost: evil.example", "x\0y"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_header_that_frames_or_routes_is_not_sendable(name: str) -> None:
    assert not is_sendable(name)
    assert not is_sendable(name.lower())
    assert not is_sendable(name.upper())


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "X_Team", "anthropic-version"])
def test_a_header_of_an_api_is_sendable(name: str) -> None:
    assert is_sendable(name)


@pytest.mark.parametrize("name", [*REFUSED[:-5], "Accept-Encoding"])
def test_a_form_takes_no_such_extra_header(name: str) -> None:
    spec = FieldSpec.parse(
        {"name": "extra_headers", "label": "Extra headers", "secret": True, "kind": "key_values"}
    )

    with pytest.raises(ValidationError):
        spec.clean(f"{name}: made-up")


@pytest.mark.django_db
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("where", ["scheme", "dialect"])
def test_a_scheme_declares_no_such_header(openai: AuthScheme, name: str, where: str) -> None:
    headers = {name: "made-up"}
    openai.transport |= (
        {"headers": headers}
        if where == "scheme"
        else {"dialects": {"openai": {"headers": headers}}}
    )

    with pytest.raises(ValidationError) as refusal:
        openai.clean()

    assert set(refusal.value.message_dict) == {"transport"}


@pytest.mark.parametrize(
    "facts",
    [
        {"secret": False, "kind": "key_values"},
        {"secret": False, "kind": "text"},
        {"secret": True, "kind": "text"},
    ],
)
def test_extra_headers_are_a_secret_and_nothing_else(facts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FieldSpec.parse({"name": "extra_headers", "label": "EH", **facts})
    with pytest.raises(ValidationError):
        FieldSpec.parse({"name": "more", "label": "EH", "secret": True, "kind": "key_values"})


@pytest.mark.django_db
def test_a_document_that_travels_in_a_header_is_on_one_line(draft_key: DraftKey) -> None:
    secrets = {"api_key": OPENAI_KEY, "portkey_config": '{\n"retry": 5}'}

    assert set(draft_key("k", "portkey", secrets=secrets).errors) == {"portkey_config"}


# --- Past every form: SQL, loaddata --------------------------------------------------------------


def transport_with(key: ApiKey, **settings: Any) -> None:
    transport = AuthScheme.objects.get(pk=key.scheme_id).transport
    AuthScheme.objects.filter(pk=key.scheme_id).update(transport={**transport, **settings})


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("value", ["127.0.0.1", "Bearer {api_key}"])
def test_a_header_written_into_a_scheme_is_not_sent(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, name: str, value: str
) -> None:
    transport_with(ApiKey.objects.get(), headers={name: value})

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (424, "key_unreadable")
    assert not provider.requests


def test_extra_headers_among_the_settings_are_not_sent(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    key = ApiKey.objects.get()
    extra = "Host: evil.example\nX-Extra: sent"
    ApiKey.objects.update(config={**key.config, "extra_headers": extra})

    assert chat(gateway, token).status == 200

    (request,) = provider.requests
    assert dict(request.headers)["Host"] == provider.url.removeprefix("http://")
    assert "evil" not in repr(request)
    assert "sent" not in repr(request)


@pytest.mark.parametrize("line", ["Host: evil.example", "Transfer-Encoding: chunked", ": x"])
def test_extra_headers_that_were_sealed_past_the_form_are_not_sent(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, line: str
) -> None:
    key = ApiKey.objects.get()
    sealed = seal(
        {"api_key": OPENAI_KEY, "extra_headers": line},
        owner=CredentialVersion(pk=key.current_id).owner(key.pk),
        origins=key.origins(Role.API),
    )
    CredentialVersion.objects.update(sealed=sealed)

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (424, "key_unreadable")
    assert not provider.requests


@pytest.mark.parametrize("value", VALUES[:3])
def test_a_setting_with_a_line_end_breaks_out_of_no_header(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, value: str
) -> None:
    key = ApiKey.objects.get()
    ApiKey.objects.update(config={**key.config, "organization": value})

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (424, "key_unreadable")
    assert not provider.requests


@pytest.mark.parametrize(
    "path",
    ["/v1/../admin", "/v1/.", "/..", "/v1/%2e%2e/x", "/v1/..%2fx", "/v1/..;/x", "/v1/\u00e9"],
)
def test_a_base_url_that_leads_out_of_its_path_is_not_called(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    ApiKey.objects.update(config={"api_base": f"{provider.url}{path}"})

    for answer in (
        chat(gateway, token),
        ask(gateway, "/search/models", token=token, method="GET"),
    ):
        assert (answer.status, answer.code) == (424, "key_unreadable")
    assert not provider.requests


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v1/../x", "/..", "/./v1", "/v1/%2e%2e/x", "/%252e%252e/x"])
def test_a_form_takes_no_such_base_url(draft_key: DraftKey, path: str) -> None:
    assert set(draft_key(api_base=f"https://ai.example.com{path}").errors) == {"api_base"}


MODELS = ["..", ".", "a/../b", "../x", "x/..", "%2e%2e", "..;x", "a\\..\\b"]


@pytest.mark.parametrize("model", MODELS)
def test_a_model_that_leads_to_another_path_is_refused(model: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Route(model=model).clean_fields(exclude={"endpoint", "api_key"})

    assert set(refusal.value.message_dict) == {"model"}


@pytest.mark.parametrize("model", ["gpt-4.1", "meta/llama-3.1", "a..b", "anthropic.claude:0"])
def test_a_model_has_dots_in_its_name(model: str) -> None:
    Route(model=model).clean_fields(exclude={"endpoint", "api_key"})


@pytest.mark.parametrize("model", ["..", "."])
def test_a_deployment_that_leads_to_another_path_is_not_called(
    gateway: str, provider: Provider, token: str, make_key: MakeKey, make_endpoint: MakeEndpoint,
    model: str,
) -> None:  # fmt: skip
    key = make_key("k", "azure", api_version="2024-10-21")
    ApiKey.objects.update(config={**key.config, "api_base": provider.url})
    sealed = seal(
        {"api_key": OPENAI_KEY},
        owner=CredentialVersion(pk=key.current_id).owner(key.pk),
        origins=ApiKey.objects.get().origins(Role.API),
    )
    CredentialVersion.objects.update(sealed=sealed)
    make_endpoint("search", key)
    Route.objects.update(model=model)

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (424, "key_unreadable")
    assert not provider.requests


# --- Clients -------------------------------------------------------------------------------------


def test_headers_with_underscores_and_those_that_route_are_dropped(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, key_at: KeyAt
) -> None:
    names = (
        "x_api_key openai_organization content_length transfer_encoding x_forwarded_for _ "
        "X-Method-Override X-Original-Host x-kept"
    ).split()
    headers = dict.fromkeys(names, "from-the-client")

    assert chat(gateway, token, headers=headers).status == 200

    (request,) = provider.requests
    sent = [name.lower() for name, value in request.headers if value == "from-the-client"]
    assert sent == ["x-kept"]


@pytest.mark.parametrize("where", ["scheme", "extra headers"])
def test_a_client_sets_no_header_that_some_servers_take_for_the_keys_own(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, where: str
) -> None:
    key = ApiKey.objects.get()
    if where == "scheme":
        transport = key.scheme.transport
        transport["headers"] |= {"X_Tenant": "{api_key}"}
        AuthScheme.objects.filter(pk=key.scheme_id).update(transport=transport)
    else:
        sealed = seal(
            {"api_key": OPENAI_KEY, "extra_headers": f"X_Tenant: {OPENAI_KEY}"},
            owner=CredentialVersion(pk=key.current_id).owner(key.pk),
            origins=key.origins(Role.API),
        )
        CredentialVersion.objects.update(sealed=sealed)

    assert chat(gateway, token, headers={"X-Tenant": "another"}).status == 200

    (request,) = provider.requests
    names = [name.lower().replace("_", "-") for name, _ in request.headers]
    assert names.count("x-tenant") == 1
    assert "another" not in repr(request)
