"""The ways in: which path leads where, and which are refused."""

import json

import openai
import pytest
from django.core.exceptions import ValidationError

from endpoints.gateway.http.paths import BEGINNINGS, is_safe_path, parse_call
from endpoints.gateway.http.problems import Refusal
from endpoints.models import RESERVED_NAMES, Endpoint
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat, credentials_in, mentions, speak, written

# Spaces, order, repetition, escapes and unknown names: all of that is the client's.
PECULIAR = (
    b'{ "zeta":1e400,"messages" :[{"role":"user","content":"\\u00fc \xc3\xbc \\/"}],\n\t'
    b'"model"  : "search" ,"n":1.0, "unknown": {"model":"search","a":[ ],"a":null}, "n":2 }'
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/chat/completions"])
def test_a_body_arrives_as_it_was_but_for_the_model(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    answer = ask(gateway, path, PECULIAR, token=token, headers={"Content-Type": "application/json"})

    [request] = provider.requests
    assert answer.status == 200
    assert request.body == PECULIAR.replace(b': "search" ,', b': "gpt-5-mini" ,')


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/completions", "/v1/completions"),
        ("/v1/embeddings", "/v1/embeddings"),
        ("/v1/responses", "/v1/responses"),
        ("/openai/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/responses", "/v1/responses"),
        ("/openai/v1/images/generations", "/v1/images/generations"),
        ("/mlflow/v1/chat/completions", "/v1/chat/completions"),
        ("/mlflow/v1/embeddings", "/v1/embeddings"),
    ],
)
@pytest.mark.parametrize("query", ["", "?trace=a%20b&x=1"])
def test_a_path_of_the_dialect_is_one_of_the_provider(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    target: str,
    query: str,
) -> None:
    ask(gateway, path + query, {"model": "search"}, token=token)

    [request] = provider.requests
    assert request.target == target + query
    assert json.loads(request.body) == {"model": "gpt-5-mini"}


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (b'{"messages": [{"role": "user", "content": "Hi"}]}', "chat/completions"),
        (b'{"input": ["a", "b"]}', "embeddings"),
    ],
)
def test_mlflow_invocations_are_what_their_body_says(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, body: bytes, operation: str
) -> None:
    answer = ask(gateway, "/search/mlflow/invocations", body, token=token)

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == f"/v1/{operation}"
    assert request.body == body.replace(b"{", b'{"model":"gpt-5-mini",', 1)


@pytest.mark.parametrize("model", [b"null", b'"anything"', b'""'])
def test_mlflow_invocations_replace_a_model_that_is_named(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, model: bytes
) -> None:
    body = b'{"input": "a", "model": %b}' % model

    ask(gateway, "/search/mlflow/invocations", body, token=token)

    [request] = provider.requests
    assert request.body == b'{"input": "a", "model": "gpt-5-mini"}'


def test_mlflows_own_client_code_works_unchanged(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/mlflow/v1", max_retries=0)

    answer = client.chat.completions.create(model="search", messages=HELLO)

    assert answer.model == "gpt-5-mini"


# Near misses: what a base URL with too much or too little in it comes to


@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1/chat/completions",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "/chat/completions",
        "/openai/chat/completions",
        "/openai/v1/v1/chat/completions",
        "/openai//v1/chat//completions/",
        "/gemini/v1beta/openai/chat/completions",
    ],
)
def test_a_near_miss_of_openais_path_works(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    answer = ask(gateway, path, {"model": "search", "messages": HELLO}, token=token)

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("kind", "path", "target"),
    [
        ("anthropic", "/v1/v1/messages", "/v1/messages"),
        ("anthropic", "/messages", "/v1/messages"),
        ("anthropic", "/anthropic/messages", "/v1/messages"),
        ("anthropic", "/anthropic/v1/v1/messages", "/v1/messages"),
        ("anthropic", "/anthropic/v1/messages/", "/v1/messages"),
        ("gemini", "/gemini/models/one:countTokens", "/v1beta/models/x:countTokens"),
        ("gemini", "/gemini/v1beta/v1beta/models/one:countTokens", "/v1beta/models/x:countTokens"),
        ("gemini", "/gemini//v1beta/models/one:countTokens", "/v1beta/models/x:countTokens"),
        ("gemini", "/v1/models/one:countTokens", "/v1/models/x:countTokens"),
    ],
)
def test_a_near_miss_of_another_dialects_path_works(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    kind: str,
    path: str,
    target: str,
) -> None:
    make_endpoint("one", key_at("its-key", kind), model="x")

    ask(gateway, path, {"model": "one", "messages": HELLO, "contents": []}, token=token)

    [request] = provider.requests
    assert request.target == target


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/images/generations", "the path is /gateway/v1/images/generations."),
        ("/audio/speech", "the path is /gateway/v1/audio/speech."),
        ("/nope/images", "GET /gateway/v1/models lists the endpoints"),
    ],
)
def test_a_path_without_its_version_says_what_to_change(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str, says: str
) -> None:
    answer = ask(gateway, path, {"model": "search"}, token=token)

    assert (answer.status, answer.code) == (404, "unknown_endpoint")
    assert says in answer.json()["error"]["message"]


def test_an_empty_part_of_a_native_path_is_named(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    answer = ask(gateway, "/search//v1/models", token=token, method="GET")

    assert answer.code == "bad_path"
    assert "(//)" in answer.json()["error"]["message"]


# The provider's own paths


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("body", [b"", b"\x00\xff not JSON \r\n"])
def test_any_method_goes_straight_through(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, method: str, body: bytes
) -> None:
    path = "/search/v1/files/file-1?purpose=a%2Bb&after=%20"

    ask(gateway, path, body, token=token, method=method)

    [request] = provider.requests
    assert (request.method, request.body) == (method, body)
    assert request.target == "/v1/files/file-1?purpose=a%2Bb&after=%20"
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/search/models", "/v1/models"),
        ("/search/v1/models", "/v1/models"),
        ("/search/v1/models/", "/v1/models/"),
        ("/search/v1/threads/t_1/runs%2Fr", "/v1/threads/t_1/runs%2Fr"),
        ("/search/v1/a:b@c,d;e=f/~g", "/v1/a:b@c,d;e=f/~g"),
        ("/search/v1/%C3%BC", "/v1/%C3%BC"),
        ("/search/mlflow/other", "/v1/mlflow/other"),
        ("/search/v1/x?", "/v1/x"),
        ("/search/v1/x?key=abc", "/v1/x"),
        ("/search/v1/x?a=1&KEY=abc&b&c=%2e%2e", "/v1/x?a=1&b&c=%2e%2e"),
    ],
)
def test_a_path_is_joined_with_the_base_url_and_kept_as_it_is(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str, target: str
) -> None:
    ask(gateway, path, token=token, method="GET")

    [request] = provider.requests
    assert request.target == target


def test_head_is_answered_without_a_body(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(Response(headers={"etag": '"x"'}, body=b"{}"))

    response = speak(gateway, written("/gateway/search/v1/models", token, b"", method="HEAD"))

    assert response.startswith(b"HTTP/1.1 200 ")
    assert b'etag: "x"' in response
    assert response.endswith(b"\r\n\r\n")


# Other dialects than the key's own


def test_a_chat_completion_reaches_anthropic_through_its_compatible_api(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("claude", key_at("my-anthropic-key", "anthropic"), model="claude-x")

    answer = chat(gateway, token, "claude")

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == "/v1/chat/completions"
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]


def test_a_chat_completion_reaches_gemini_through_its_compatible_api(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("gem", key_at("my-gemini-key", "gemini"), model="gemini-x")

    answer = chat(gateway, token, "gem")

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == "/v1beta/openai/chat/completions"
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]


@pytest.mark.parametrize(
    "path", ["/v1/messages", "/anthropic/v1/messages", "/gemini/v1beta/models/search:countTokens"]
)
def test_a_dialect_that_the_provider_does_not_speak_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    answer = ask(gateway, path, {"model": "search"}, token=token)

    assert (answer.status, answer.code) == (400, "dialect_not_spoken")
    assert not provider.requests


# The token


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", "Bearer {}"),
        ("authorization", "bearer  {}"),
        ("x-api-key", "{}"),
        ("api-key", "{}"),
        ("X-Goog-Api-Key", "{}"),
    ],
)
def test_the_token_may_come_in_any_of_four_headers(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    header: str,
    value: str,
) -> None:
    answer = ask(
        gateway,
        "/v1/chat/completions",
        {"model": "search", "messages": HELLO},
        headers={header: value.format(token)},
    )

    [request] = provider.requests
    assert answer.status == 200
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(request, token)


def test_every_header_that_may_hold_a_token_stays_here(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    others = {"x-api-key": "other", "api-key": "other", "x-goog-api-key": "other"}

    chat(gateway, token, headers={**others, "Cookie": "a=b", "Proxy-Authorization": "Basic other"})

    [request] = provider.requests
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(request, "other")


def test_a_client_cannot_override_headers_of_the_key(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", key_at(organization="org-ours"))

    chat(gateway, token, headers={"OpenAI-Organization": "org-theirs", "OpenAI-Beta": "yes"})

    [request] = provider.requests
    headers = [(name.lower(), value) for name, value in request.headers]
    assert [value for name, value in headers if name == "openai-organization"] == ["org-ours"]
    assert ("openai-beta", "yes") in headers


# What leads nowhere


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/v2/chat/completions", 404, "unknown_path"),
        ("POST", "/v1/", 404, "unknown_path"),
        ("POST", "/endpoints/search/query", 404, "unknown_path"),
        ("GET", "/api/2.0/mlflow", 404, "unknown_path"),
        ("POST", "/v2/chat/completions", 404, "unknown_endpoint"),
        ("POST", "/openai/v2/chat/completions", 404, "unknown_path"),
        ("POST", "/openai/v1/../../x", 404, "unknown_path"),
        ("POST", "/openai/v1/%2e%2e/x", 404, "unknown_path"),
        ("POST", f"/openai/v1/{'x' * 600}", 404, "unknown_path"),
        ("POST", "/anthropic/v2/messages", 404, "unknown_path"),
        ("POST", "/gemini/v2/models/search:generateContent", 404, "unknown_path"),
        ("POST", "/gemini/upload/../v1beta/files", 400, "bad_path"),
        ("POST", "/gemini/v1beta/models/search:%0d%0agenerate", 404, "unknown_path"),
        ("POST", "/gemini/v1beta/models/search:g%C3%A9n", 404, "unknown_path"),
        ("GET", "/v1/chat/completions", 405, "wrong_method"),
        ("DELETE", "/openai/v1/responses", 405, "wrong_method"),
        ("GET", "/anthropic/v1/messages", 405, "wrong_method"),
        ("PUT", "/gemini/v1beta/models/search:generateContent", 405, "wrong_method"),
        ("GET", "/search/mlflow/invocations", 405, "wrong_method"),
        ("POST", "/v1/models", 405, "wrong_method"),
        ("TRACE", "/search/v1/models", 405, "wrong_method"),
        ("PROPFIND", "/search/v1/models", 405, "wrong_method"),
        ("POST", "/", 400, "bad_path"),
        ("POST", "/search//v1/models", 400, "bad_path"),
        ("POST", "/SEARCH/v1/models", 400, "bad_path"),
        ("POST", "/search%2fv1/models", 400, "bad_path"),
    ],
)
def test_unknown_paths_methods_and_endpoints_are_refused_with_a_code(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    method: str,
    path: str,
    status: int,
    code: str,
) -> None:
    answer = ask(gateway, path, {"model": "search"}, token=token, method=method)

    assert (answer.status, answer.code) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)
    assert not provider.requests


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "v1/../../x",
        "v1/..",
        "./v1",
        "v1//x",
        "/evil.example/x",
        "v1/%2e%2e/x",
        "v1/%2E./x",
        "v1/..%2fx",
        "v1/%2e%2e%2fx",
        "v1/%252e%252e%252fx",
        "v1/%25252e%25252e/x",
        "v1/%2f%2fevil.example",
        "v1/..\\x",
        "v1\\..\\x",
        "v1/%5c..%5cx",
        "v1/..;a=b/x",
        "v1/%00",
        "v1/%0d%0aX-Evil:1",
        "v1/a b",
        "v1/é",
    ],
)
def test_no_path_climbs_out_of_the_base_url(path: str) -> None:
    assert not is_safe_path(path)
    with pytest.raises(Refusal, match="bad_path") as refused:
        parse_call("GET", f"/gateway/search/{path}".encode(), "openai")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "path", ["", "v1/models", "v1/models/", "v1/a..b", "v1/...", "v1/a%20b", "v1/%C3%BC", "a;b"]
)
def test_a_path_that_stays_below_is_fine(path: str) -> None:
    assert is_safe_path(path)


# Words with a meaning of their own


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_no_endpoint_takes_a_word_of_the_urls(name: str) -> None:
    with pytest.raises(ValidationError, match="is reserved in"):
        Endpoint(name=name).clean()


@pytest.mark.parametrize(
    "word", [*sorted(BEGINNINGS), "v1", "v1beta", "v1alpha", "mlflow", "openai", "anthropic"]
)
def test_every_word_of_the_urls_is_reserved(word: str) -> None:
    assert word in RESERVED_NAMES
    assert not parse_call("GET", f"/gateway/{word}/files".encode(), "openai").is_native


@pytest.mark.parametrize("word", ["endpoints", "api"])
def test_the_words_of_mlflows_client_are_reserved(word: str) -> None:
    assert word in RESERVED_NAMES
    with pytest.raises(Refusal, match="unknown_path"):
        parse_call("POST", f"/gateway/{word}/files".encode(), "openai")
