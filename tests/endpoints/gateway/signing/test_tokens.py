"""Access tokens: asked for in the right form, kept while they are good, and lost on a refusal."""

import logging
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from apikeys.sealing import Role
from endpoints.gateway.signing import (
    CannotSign,
    CredentialsRefused,
    TokenServiceUnavailable,
    token_service,
    tokens,
)
from endpoints.gateway.upstream.client import NoPublicAddress, Request
from gatewayproject.demo.provider import Provider, Response, json_response
from tests import fakes
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.clouds import Sender, form, header
from tests.gateway_fixtures import CloudKey

ENTRA = "azure/service_principal"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass for what is kept."""
    real, passed = tokens.time.monotonic, 0.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return real() + passed

    def wait(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(tokens, "time", Clock)
    return wait


def bearers(provider: Provider) -> list[str | None]:
    return [header(received, "authorization") for received in provider.requests]


# What is asked


def test_entra_is_asked_for_a_scope_with_the_secret_in_the_form(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key(ENTRA))

    (asked,) = cloud.requests
    assert (asked.method, asked.target) == ("POST", "/acme.onmicrosoft.com/oauth2/v2.0/token")
    assert form(asked) == {
        "grant_type": "client_credentials",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": fakes.OPENAI_KEY,
    }
    assert header(asked, "authorization") is None
    assert bearers(provider) == ["Bearer made-up-1"]


def test_databricks_is_asked_at_the_workspace_with_the_secret_in_a_header(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    key = cloud_key("databricks/oauth_m2m", secrets={"client_secret": "dose/1+2: é"})

    sender.send(key)

    (asked,) = cloud.requests
    assert asked.target.endswith("/oidc/v1/token")
    assert form(asked) == {"grant_type": "client_credentials", "scope": "all-apis"}
    scheme, _, pair = str(header(asked, "authorization")).partition(" ")
    assert scheme == "Basic"
    assert b64decode(pair) == b"11111111-2222-3333-4444-555555555555:dose%2F1%2B2%3A+%C3%A9"
    assert bearers(provider) == ["Bearer made-up-1"]


def test_a_databricks_token_comes_from_the_origin_of_the_workspace() -> None:
    scheme = dict(clouds.schemes())["databricks/oauth_m2m"]
    plan = clouds.credentials_of(scheme, api_base="https://acme.cloud.databricks.com").plan

    assert plan.token["url"] == "https://acme.cloud.databricks.com/oidc/v1/token"
    origin = "https://acme.cloud.databricks.com:443"
    assert plan.origins == {Role.API: origin, Role.TOKEN: origin}


def test_ibm_is_asked_with_the_api_key(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key("watsonx/api_key"))

    (asked,) = cloud.requests
    assert (asked.method, asked.target) == ("POST", "/identity/token")
    assert form(asked) == {
        "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
        "apikey": fakes.OPENAI_KEY,
    }
    assert header(asked, "accept") == "application/json"
    assert header(asked, "accept-encoding") == "identity"  # nothing here unpacks the answer
    assert bearers(provider) == ["Bearer made-up-1"]


@pytest.mark.parametrize("client_id", ["", "11111111-2222-3333-4444-555555555555"])
def test_the_metadata_service_is_asked_for_this_servers_identity(
    client_id: str, sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key("azure/managed_identity", client_id=client_id))

    (asked,) = cloud.requests
    parts = urlsplit(asked.target)
    assert (asked.method, parts.path) == ("GET", "/metadata/identity/oauth2/token")
    assert dict(parse_qsl(parts.query)) == {
        "api-version": "2018-02-01",
        "resource": "https://cognitiveservices.azure.com/",
        **({"client_id": client_id} if client_id else {}),
    }
    assert header(asked, "metadata") == "true"
    assert bearers(provider) == ["Bearer made-up-1"]


def test_the_metadata_service_is_open_to_nothing_else(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, settings: Any
) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = []
    with Sender.running() as strict:
        strict.sign(cloud_key("azure/managed_identity"))
        (refused,) = strict.sign(cloud_key(ENTRA))

        astray = Request("GET", f"{provider.url}/latest", [], b"", asks_for_identity=True)
        with pytest.raises(NoPublicAddress):
            strict.run(strict.upstream.send(astray))
        plain = Request("GET", f"{cloud.url}/metadata/identity/oauth2/token", [], b"")
        with pytest.raises(NoPublicAddress):
            strict.run(strict.upstream.send(plain))

    assert len(cloud.requests) == 1
    assert "no public address found" in str(refused)


def test_secrets_go_to_no_token_service_that_they_were_not_sealed_for(
    sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    key = cloud_key(ENTRA)
    strange = replace(key, plan=replace(key.plan, origins={Role.API: key.plan.origin}))

    (outcome,) = sender.sign(strange)

    assert str(outcome) == "These credentials were not encrypted for a token service."
    assert not cloud.requests


# What is kept


def test_a_token_serves_until_shortly_before_its_end(
    sender: Sender,
    provider: Provider,
    cloud: Provider,
    cloud_key: CloudKey,
    clock: Callable[[float], None],
) -> None:
    cloud.token_lifetime = 3600
    key = cloud_key(ENTRA)
    sender.send(key)
    clock(3600 - 120)
    sender.send(key)
    clock(60)
    sender.send(key)

    assert bearers(provider) == ["Bearer made-up-1", "Bearer made-up-1", "Bearer made-up-2"]


@pytest.mark.parametrize(("lifetime", "good", "bad"), [(8, 4, 3), (100, 70, 10), (0, 0, 0)])
def test_a_short_token_serves_for_three_quarters_of_its_life(
    lifetime: int,
    good: float,
    bad: float,
    sender: Sender,
    provider: Provider,
    cloud: Provider,
    cloud_key: CloudKey,
    clock: Callable[[float], None],
) -> None:
    cloud.token_lifetime = lifetime
    key = cloud_key(ENTRA)
    sender.send(key)
    clock(good)
    sender.send(key)
    clock(bad)
    sender.send(key)

    second = "Bearer made-up-1" if lifetime else "Bearer made-up-2"
    assert bearers(provider)[1] == second
    assert bearers(provider)[2] != second


@pytest.mark.parametrize("said", [{}, {"expires_in": None}])
def test_a_token_of_unknown_length_serves_for_minutes(
    said: dict[str, Any],
    sender: Sender,
    cloud: Provider,
    cloud_key: CloudKey,
    clock: Callable[[float], None],
) -> None:
    cloud.next_responses(json_response({"access_token": "made-up", **said}))
    key = cloud_key(ENTRA)
    sender.send(key)
    clock(200)
    sender.send(key)
    clock(100)
    sender.send(key)

    assert len(cloud.requests) == 2


def test_simultaneous_requests_wait_for_one_token(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    cloud.next_responses(
        Response(delay=0.2, body=b'{"access_token":"made-up-slow","expires_in":3600}')
    )

    sender.send(*[cloud_key(ENTRA)] * 50)

    assert len(cloud.requests) == 1
    assert bearers(provider) == ["Bearer made-up-slow"] * 50


def test_one_who_leaves_does_not_take_the_token_from_the_others(
    sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    cloud.next_responses(
        Response(delay=0.2, body=b'{"access_token":"made-up-slow","expires_in":3600}')
    )

    outcomes = sender.sign_and_leave(cloud_key(ENTRA), stay=2, leave=1)

    assert outcomes == [("made-up-slow",)] * 2
    assert len(cloud.requests) == 1


def test_a_token_serves_no_other_key_version_or_setting(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    keys = [
        cloud_key(ENTRA),
        cloud_key(ENTRA, owner="key-1/version-2:sealed"),
        cloud_key(ENTRA, owner="key-2/version-1:sealed"),
        cloud_key(ENTRA, tenant_id="other.onmicrosoft.com"),
        cloud_key(ENTRA, client_id="99999999-2222-3333-4444-555555555555"),
        cloud_key("databricks/oauth_m2m"),
    ]

    for key in [*keys, *keys]:
        sender.send(key)

    expected = [f"Bearer made-up-{number}" for number in range(1, len(keys) + 1)]
    assert bearers(provider) == [*expected, *expected]


def test_a_refused_token_is_forgotten_with_all_others_of_its_key(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    key, other = cloud_key(ENTRA), cloud_key(ENTRA, owner="key-2/version-1:sealed")
    sender.send(key)
    sender.send(other)

    sender.signing.forget(key.owner)
    sender.send(key)
    sender.send(other)

    numbers = [str(bearer)[-1] for bearer in bearers(provider)]
    assert numbers == ["1", "2", "3", "2"]


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(
    sender: Sender, cloud: Provider, cloud_key: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "SIZE", 3)
    keys = [cloud_key(ENTRA, owner=f"key-{number}") for number in range(5)]
    for key in keys:
        sender.send(key)

    sender.send(keys[4])
    sender.send(keys[2])
    assert len(cloud.requests) == 5
    sender.send(keys[0])
    assert len(cloud.requests) == 6


def test_what_has_ended_is_let_go(
    sender: Sender, cloud_key: CloudKey, clock: Callable[[float], None]
) -> None:
    for number in range(5):
        sender.send(cloud_key(ENTRA, owner=f"key-{number}"))
    clock(3600)
    sender.send(cloud_key(ENTRA))

    assert len(sender.signing._cache) == 1


# What goes wrong


@pytest.mark.parametrize("status", [400, 401])
def test_a_refusal_is_reported_in_our_own_words(
    status: int, sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    echo = {"error": "invalid_client", "error_description": f"wrong: {fakes.OPENAI_KEY}"}
    cloud.next_responses(json_response(echo, status))

    (outcome,) = sender.sign(cloud_key(ENTRA))

    assert isinstance(outcome, CredentialsRefused)
    assert outcome.status == status
    assert str(outcome) == f"The token service refused these credentials ({status})."
    assert_holds_no_secret(outcome)


@pytest.mark.parametrize("status", [201, 302, 403, 404, 429, 500, 503])
def test_another_failure_is_no_refusal(
    status: int, sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    cloud.next_responses(json_response({"echo": fakes.OPENAI_KEY}, status))

    (outcome,) = sender.sign(cloud_key(ENTRA))

    is_temporary = status == 429 or status >= 500
    assert type(outcome) is (TokenServiceUnavailable if is_temporary else CannotSign)
    assert f"The token service returned {status}" in str(outcome)
    assert_holds_no_secret(outcome)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"<html>made-up</html>",
        b"{}",
        b'{"access_token":""}',
        b'{"access_token":7}',
        b'{"access_token":"made up"}',
        b'{"access_token":"made\\r\\nup"}',
        b'{"access_token":"made-up\\n"}',
        b'{"access_token":"made-up","expires_in":-1}',
        b'{"access_token":"made-up","expires_in":"soon"}',
        b'{"access_token":"made-up","expires_in":NaN}',
        b'{"access_token":' + b"[" * 10_000,
    ],
)
def test_what_is_no_token_is_not_used(
    body: bytes, sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    cloud.next_responses(Response(body=body))

    (outcome,) = sender.sign(cloud_key(ENTRA))

    assert str(outcome) == "The token service sent an invalid token response."


@pytest.mark.parametrize(
    "answer",
    [
        Response(raw=b"\0garbage", close=True),
        Response(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}", close=True),
        Response(body=b" " * 100_000),
        Response(stall=True, chunks=[b"{"]),
    ],
)
def test_a_broken_answer_is_no_answer(
    answer: Response,
    sender: Sender,
    cloud: Provider,
    cloud_key: CloudKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_service, "SECONDS", 0.3)
    cloud.next_responses(answer)

    (outcome,) = sender.sign(cloud_key(ENTRA))

    assert type(outcome) is TokenServiceUnavailable
    assert re.match(r"Could not reach 127\.0\.0\.1: |The token service sent an", str(outcome))


def test_a_token_service_that_is_away_is_asked_once_a_second(
    sender: Sender, cloud: Provider, cloud_key: CloudKey, clock: Callable[[float], None]
) -> None:
    cloud.script("/token", json_response({}, 503), repeat=True)
    key = cloud_key(ENTRA)
    for _ in range(5):
        sender.sign(key)
    assert len(cloud.requests) == 1

    clock(1)
    sender.sign(key)
    assert len(cloud.requests) == 2


def test_a_key_that_is_marked_as_refused_is_not_asked_for_at_once(
    sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    cloud.script("/token", json_response({}, 401), repeat=True)
    key = cloud_key(ENTRA)
    sender.sign(key)

    sender.signing.forget(key.owner)

    assert [str(outcome) for outcome in sender.sign(key)] == [
        "The token service refused these credentials (401)."
    ]
    assert len(cloud.requests) == 1


def test_a_token_service_that_refuses_connections(
    sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    key = cloud_key(ENTRA)
    url = "http://127.0.0.1:9/token"
    origins = {**key.plan.origins, Role.TOKEN: "http://127.0.0.1:9"}
    away = replace(key.plan, token={**key.plan.token, "url": url}, origins=origins)

    (outcome,) = sender.sign(replace(key, plan=away))

    assert str(outcome) == "Could not reach 127.0.0.1: connection refused. Try again."


def test_a_key_that_lacks_a_setting_says_which(sender: Sender, cloud_key: CloudKey) -> None:
    key = cloud_key(ENTRA, client_id="")

    (outcome,) = sender.sign(key)

    assert "client_id" in str(outcome)


def test_nothing_secret_is_logged(
    sender: Sender, cloud_key: CloudKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    sender.send(cloud_key(ENTRA))
    sender.send(cloud_key("watsonx/api_key"))

    assert fakes.OPENAI_KEY not in caplog.text
    assert "made-up-" not in caplog.text


def test_obtained_tokens_are_removed_from_responses(sender: Sender, cloud_key: CloudKey) -> None:
    assert sender.sign(cloud_key(ENTRA)) == [("made-up-1",)]
    assert sender.sign(cloud_key("openai/api_key")) == [()]


def test_credentials_and_requests_do_not_show_themselves(cloud_key: CloudKey) -> None:
    key = cloud_key(ENTRA)
    request = Request("GET", key.plan.base_url, [("api-key", fakes.OPENAI_KEY)], b"")

    assert fakes.OPENAI_KEY not in f"{key} {key!r} {request} {request!r}"


def assert_holds_no_secret(error: BaseException) -> None:
    """Look through the error, and through all that led to it."""
    seen: BaseException | None = error
    while seen is not None:
        assert fakes.OPENAI_KEY not in f"{seen} {seen!r} {seen.args}"
        seen = seen.__context__
