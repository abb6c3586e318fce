"""Operations that a provider does not have: its route is skipped, or the error says so."""

import openai
import pytest

from apikeys.catalogue.loading import load_catalogue
from endpoints.gateway.http.apis import api_of, paths_of
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider, json_response
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat


@pytest.fixture
def mixed(key_at: KeyAt, make_endpoint: MakeEndpoint) -> Endpoint:
    """The endpoint ``mixed``: Anthropic first, and OpenAI as its fallback."""
    endpoint = make_endpoint("mixed", key_at("my-anthropic-key", "anthropic"), model="claude-x")
    endpoint.routes.create(api_key=key_at(), model="gpt-5-mini", kind="fallback", weight=0)
    return endpoint


@pytest.mark.parametrize("path", ["responses", "embeddings", "images/generations", "moderations"])
def test_a_route_that_cannot_serve_is_skipped(
    gateway: str, provider: Provider, token: str, mixed: Endpoint, path: str
) -> None:
    ask(gateway, f"/v1/{path}", {"model": "mixed", "input": "Hi"}, token=token)

    [request] = provider.requests
    assert request.target == f"/v1/{path}"
    assert b'"gpt-5-mini"' in request.body


def test_a_route_that_can_serve_is_not_skipped(
    gateway: str, provider: Provider, token: str, mixed: Endpoint
) -> None:
    chat(gateway, token, "mixed")
    ask(gateway, "/v1/messages", {"model": "mixed", "messages": HELLO}, token=token)
    ask(gateway, "/v1/rerank", {"model": "mixed"}, token=token)  # which the catalogue does not list

    assert [b'"claude-x"' in request.body for request in provider.requests] == [True, True, True]


@pytest.mark.parametrize(
    ("kind", "path", "others"),
    [
        ("anthropic", "responses", "/v1/chat/completions"),
        ("anthropic", "responses/compact", "/v1/chat/completions"),
        ("anthropic", "embeddings", "/v1/chat/completions"),
        ("gemini", "responses", "/v1/chat/completions, /v1/embeddings"),
        ("voyage", "chat/completions", "/v1/embeddings"),
        ("deepseek", "images/generations", "/v1/chat/completions, /v1/completions"),
    ],
)
def test_a_call_that_no_route_can_serve_says_what_can_be_called(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    kind: str,
    path: str,
    others: str,
) -> None:
    make_endpoint("one", key_at("its-key", kind))

    answer = ask(gateway, f"/v1/{path}", {"model": "one", "input": "Hi"}, token=token)

    message = answer.json()["error"]["message"]
    assert (answer.status, answer.code) == (400, "operation_not_served")
    assert f"does not serve /v1/{path}" in message
    assert f", only {others}" in message
    assert not provider.requests


@pytest.mark.parametrize(
    ("path", "base"),
    [("/v1/messages", "/gateway/v1"), ("/gemini/v1beta/models/search:countTokens", "/gateway/v1")],
)
def test_a_dialect_that_is_not_there_names_those_that_are(
    gateway: str, token: str, endpoint: Endpoint, path: str, base: str
) -> None:
    answer = ask(gateway, path, {"model": "search"}, token=token)

    assert answer.code == "dialect_not_spoken"
    assert f"Use {base} (OpenAI's SDK)" in answer.json()["error"]["message"]


def test_openais_sdk_raises_what_can_be_called(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("claude", key_at("its-key", "anthropic"))
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)

    with pytest.raises(openai.BadRequestError, match="/v1/chat/completions"):
        client.responses.create(model="claude", input="Hi")


# The body of another API


@pytest.mark.parametrize("filler", ["", "x" * 300_000])
@pytest.mark.parametrize(
    ("path", "field", "instead"),
    [
        ("/v1/chat/completions", "input", "/v1/responses"),
        ("/v1/responses", "messages", "/v1/chat/completions"),
    ],
)
def test_the_body_of_another_api_is_recognized(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    field: str,
    instead: str,
    filler: str,
) -> None:
    body = {"model": "search", field: HELLO, "user": filler}

    answer = ask(gateway, path, body, token=token)

    assert (answer.status, answer.code) == (400, "wrong_body")
    assert f"“{field}”" in answer.json()["error"]["message"]
    assert f"Send it to {instead}" in answer.json()["error"]["message"]
    assert not provider.requests


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/responses", {"prompt": {"id": "pmpt_1"}}),
        ("/v1/responses", {"messages": [], "input": "Hi"}),
        ("/v1/chat/completions", {"prompt": "Hi"}),
        ("/v1/chat/completions", {"messages": HELLO, "input": "Hi"}),
    ],
)
def test_a_body_that_may_be_right_is_left_to_the_provider(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    fields: dict[str, object],
) -> None:
    provider.script("gpt-5-mini", json_response({}))

    answer = ask(gateway, path, {"model": "search", **fields}, token=token)

    assert answer.status == 200


# The catalogue


def test_every_api_that_the_catalogue_names_has_a_path() -> None:
    for entry in load_catalogue():
        for scheme in entry["scheme"]:
            for dialect, facts in scheme["transport"]["dialects"].items():
                named = tuple(facts.get("operations", ()))
                assert len(paths_of(dialect, named)) == len(named), entry["slug"]


@pytest.mark.parametrize(
    ("dialect", "operation", "api"),
    [
        ("openai", "chat/completions", "chat"),
        ("openai", "responses/resp_1/input_items", "responses"),
        ("openai", "audio/translations", "transcriptions"),
        ("openai", "uploads/u/parts", "files"),
        ("openai", "rerank", ""),
        ("openai", "chatter", ""),
        ("anthropic", "messages", "messages"),
        ("anthropic", "messages/batches/b/results", "batches"),
        ("google", "cachedContents/c", "cached_contents"),
    ],
)
def test_a_path_belongs_to_an_api(dialect: str, operation: str, api: str) -> None:
    assert api_of(dialect, operation) == api
