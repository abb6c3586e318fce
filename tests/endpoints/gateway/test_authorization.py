"""Who gets in: no token, a wrong one, one that ended, one for other endpoints."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.models import Endpoint, GatewayToken
from endpoints.services import create_token, issue_trial_token, revoke_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat, eventually

# One way in of each kind.
WAYS = [
    ("POST", "/v1/chat/completions", {"model": "search", "messages": HELLO}),
    ("POST", "/anthropic/v1/messages", {"model": "search", "messages": HELLO}),
    ("POST", "/gemini/v1beta/models/search:generateContent", {"contents": []}),
    ("GET", "/search/v1/models", b""),
    ("POST", "/search/mlflow/invocations", {"input": "a"}),
    ("GET", "/v1/models", b""),
    ("GET", "/anthropic/v1/models", b""),
    ("GET", "/gemini/v1beta/models", b""),
]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_token"),
        ({"Authorization": "Basic Z2g6"}, "no_token"),
        ({"Authorization": "Basic not-base64"}, "no_token"),
        ({"Authorization": "Basic Z2g6eA=="}, "unknown_token"),
        ({"Authorization": "Bearer "}, "no_token"),
        ({"Cookie": "token=gh_x"}, "no_token"),
        ({"x-api-key": "gh_wrong"}, "unknown_token"),
        ({"Authorization": "Bearer gh_\xe9"}, "unknown_token"),
        ({"Authorization": f"Bearer {'x' * 10_000}"}, "unknown_token"),
    ],
)
def test_requests_without_a_token_are_refused(
    gateway: str, provider: Provider, endpoint: Endpoint, headers: dict[str, str], code: str
) -> None:
    for method, path, body in WAYS:
        answer = ask(gateway, path, body, method=method, headers=headers)

        assert (answer.status, answer.code) == (401, code), path
    assert not provider.requests


def test_a_token_is_the_whole_token(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    for wrong in (token[:-1], token + "x", token.swapcase(), token.removeprefix("gh_")):
        assert chat(gateway, wrong).code == "unknown_token"
    assert not provider.requests


def revoked(token: GatewayToken, by: Actor) -> None:
    revoke_token(token, by=by)


def expired(token: GatewayToken, by: Actor) -> None:
    token.expires_at = timezone.now()
    token.save()


@pytest.mark.parametrize(("end", "code"), [(revoked, "token_revoked"), (expired, "token_expired")])
def test_a_token_that_has_ended_opens_nothing(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    by: Actor,
    end: Callable[[GatewayToken, Actor], None],
    code: str,
) -> None:
    assert chat(gateway, token).status == 200

    end(GatewayToken.objects.get(), by)

    for method, path, body in WAYS:
        answer = ask(gateway, path, body, method=method, token=token)
        assert (answer.status, answer.code) == (401, code), path
    assert len(provider.requests) == 1


def test_a_token_expires_while_nothing_changes(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    GatewayToken.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    assert chat(gateway, token).status == 200

    eventually(lambda: chat(gateway, token).status == 401, seconds=30)


def test_a_token_opens_its_own_endpoints_only(
    gateway: str, provider: Provider, endpoint: Endpoint, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    other = make_endpoint("other", endpoint.routes.get().api_key)
    token = create_token(GatewayToken(name="others"), [other], by=by)

    for method, path, body in WAYS:
        if path.endswith("/models") and "search" not in path:
            continue
        answer = ask(gateway, path, body, method=method, token=token)
        assert (answer.status, answer.code) == (403, "endpoint_not_allowed"), path
    assert not provider.requests
    assert chat(gateway, token, "other").status == 200


def test_a_trial_token_reaches_its_endpoint(gateway: str, endpoint: Endpoint, by: Actor) -> None:
    token = issue_trial_token(endpoint, by=by)

    assert chat(gateway, token).status == 200


@pytest.mark.parametrize(
    ("path", "headers", "names"),
    [
        ("/v1/models", {}, lambda said: [model["id"] for model in said["data"]]),
        ("/openai/v1/models", {}, lambda said: [model["id"] for model in said["data"]]),
        ("/anthropic/v1/models", {}, lambda said: [model["id"] for model in said["data"]]),
        (
            "/v1/models",
            {"anthropic-version": "2023-06-01"},
            lambda said: [model["display_name"] for model in said["data"]],
        ),
        (
            "/gemini/v1beta/models",
            {},
            lambda said: [model["name"].removeprefix("models/") for model in said["models"]],
        ),
    ],
)
def test_the_models_are_the_endpoints_that_a_token_can_use(
    gateway: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    by: Actor,
    path: str,
    headers: dict[str, str],
    names: Callable[[Any], list[str]],
) -> None:
    key: ApiKey = key_at()
    search, spare = make_endpoint("search", key), make_endpoint("b-search", key)
    off, empty = make_endpoint("off", key, enabled=False), make_endpoint("empty", None)
    make_endpoint("not-theirs", key)
    token = create_token(GatewayToken(name="some"), [search, spare, off, empty], by=by)

    answer = ask(gateway, path, method="GET", token=token, headers=headers)

    assert answer.status == 200
    assert names(answer.json()) == ["b-search", "search"]
