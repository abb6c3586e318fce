"""Calls beside the common ones: images, files, batches, and what an earlier call has created."""

import json
from collections.abc import Callable

import anthropic
import openai
import pytest
from google import genai

from endpoints.models import Endpoint, GatewayToken
from endpoints.services import create_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.demo.provider import Provider, Response, json_response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat, compared, credentials_in, mentions

Act = Callable[[openai.OpenAI, str], object]


@pytest.fixture
def own_token(endpoint: Endpoint, by: Actor) -> str:
    """A token for the endpoint ``search`` alone."""
    return create_token(GatewayToken(name="one"), [endpoint], by=by)


def at_openai(url: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=url, max_retries=0)


def image(client: openai.OpenAI, model: str) -> object:
    return client.images.generate(model=model, prompt="A cat")


def speech(client: openai.OpenAI, model: str) -> bytes:
    return client.audio.speech.create(model=model, voice="alloy", input="Hi").content


def moderation(client: openai.OpenAI, model: str) -> object:
    return client.moderations.create(model=model, input="Hi")


def compaction(client: openai.OpenAI, model: str) -> object:
    return client.responses.compact(model=model, input="Hi")


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
@pytest.mark.parametrize(
    ("act", "target"),
    [
        (image, "/v1/images/generations"),
        (speech, "/v1/audio/speech"),
        (moderation, "/v1/moderations"),
        (compaction, "/v1/responses/compact"),
    ],
)
def test_openais_sdk_names_the_endpoint_as_the_model(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    base: str,
    act: Act,
    target: str,
) -> None:
    provider.script(target, json_response({}), repeat=True)
    act(at_openai(f"{provider.url}/v1", OPENAI_KEY), "gpt-5-mini")

    act(at_openai(gateway + base, token), "search")

    there, here = provider.requests
    assert compared(here) == compared(there)
    assert here.target == target
    assert credentials_in(here) == [("authorization", f"Bearer {OPENAI_KEY}")]


def retrieved(client: openai.OpenAI) -> object:
    return client.responses.retrieve("resp_1")


def deleted(client: openai.OpenAI) -> object:
    return client.responses.delete("resp_1")


def items(client: openai.OpenAI) -> object:
    return client.responses.input_items.list("resp_1")


def batch(client: openai.OpenAI) -> object:
    return client.batches.create(
        input_file_id="file-1", endpoint="/v1/responses", completion_window="24h"
    )


def batch_canceled(client: openai.OpenAI) -> object:
    return client.batches.cancel("batch_1")


def conversation(client: openai.OpenAI) -> object:
    return client.conversations.create(metadata={"topic": "demo"})


def file(client: openai.OpenAI) -> object:
    return client.files.create(file=("a.jsonl", b'{"model":"gpt-5-mini"}\n'), purpose="batch")


def content(client: openai.OpenAI) -> object:
    return client.files.content("file-1").content


NAMELESS = [retrieved, deleted, items, batch, batch_canceled, conversation, file, content]


@pytest.mark.parametrize("act", NAMELESS)
def test_a_call_without_a_model_is_for_the_only_endpoint_of_its_token(
    gateway: str,
    provider: Provider,
    own_token: str,
    make_endpoint: MakeEndpoint,
    key_at: KeyAt,
    act: Callable[[openai.OpenAI], object],
) -> None:
    make_endpoint("other", key_at("another-key"))
    provider.script("/v1/", json_response({}), repeat=True)
    act(at_openai(f"{provider.url}/v1", OPENAI_KEY))

    act(at_openai(f"{gateway}/v1", own_token))

    there, here = provider.requests
    assert (here.method, here.target) == (there.method, there.target)
    assert len(here.body) == len(there.body)
    assert credentials_in(here) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(here, own_token)


def test_a_header_names_the_endpoint_of_a_call_without_a_model(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    make_endpoint: MakeEndpoint,
    key_at: KeyAt,
) -> None:
    make_endpoint("other", key_at("another-key"))
    provider.script("/files", json_response({}), repeat=True)

    unnamed = ask(gateway, "/v1/files", token=token, method="GET")
    named = ask(
        gateway,
        "/v1/files?limit=1",
        token=token,
        method="GET",
        headers={"X-Gatehouse-Endpoint": "search"},
    )

    [request] = provider.requests
    assert (unnamed.status, unnamed.code) == (400, "no_endpoint")
    assert "x-gatehouse-endpoint" in unnamed.json()["error"]["message"]
    assert named.status == 200
    assert request.target == "/v1/files?limit=1"
    assert not mentions(request, "gatehouse")


@pytest.mark.parametrize("name", ["nope", "../search", "SEARCH", ""])
def test_a_header_that_names_no_endpoint_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, name: str
) -> None:
    answer = ask(gateway, "/v1/files", token=token, headers={"X-Gatehouse-Endpoint": name})

    assert answer.status in (400, 404)
    assert answer.code in ("unknown_endpoint", "no_endpoint")
    assert not provider.requests


def test_a_token_does_not_reach_another_endpoint_by_the_header(
    gateway: str,
    provider: Provider,
    own_token: str,
    make_endpoint: MakeEndpoint,
    key_at: KeyAt,
) -> None:
    make_endpoint("other", key_at("another-key"))

    answer = ask(
        gateway,
        "/v1/files/file-1",
        token=own_token,
        method="DELETE",
        headers={"X-Gatehouse-Endpoint": "other"},
    )

    assert (answer.status, answer.code) == (403, "endpoint_not_allowed")
    assert not provider.requests


def test_what_was_created_is_looked_for_where_calls_without_a_model_go(
    gateway: str, token: str, provider: Provider, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    """Neither by weight nor at a fallback, whose 404 would hide the first provider's error."""
    with Provider().running() as second:
        endpoint = make_endpoint("search", key_at())
        endpoint.routes.update(weight=1)
        endpoint.routes.create(
            api_key=key_at("second", url=second.url), model="m", weight=99, position=1
        )
        provider.script("/v1/responses/resp_1", Response(status=503), repeat=True)

        answers = [
            ask(gateway, "/v1/responses/resp_1", token=token, method="GET") for _ in range(5)
        ]

    assert {answer.status for answer in answers} == {503}
    assert len(provider.requests) == 5
    assert not second.requests


@pytest.mark.parametrize("status", [401, 403])
def test_an_odd_path_marks_no_key(
    gateway: str, provider: Provider, own_token: str, endpoint: Endpoint, status: int
) -> None:
    provider.script("/v1/organization/costs", Response(status=status))

    ask(gateway, "/v1/organization/costs", token=own_token, method="GET")

    assert chat(gateway, own_token).status == 200
    key = endpoint.routes.get().api_key
    assert key is not None
    key.refresh_from_db()
    assert key.refused_at is None


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-ndjson", "audio/wav"])
def test_a_body_that_is_no_json_passes_as_it_is(
    gateway: str, provider: Provider, own_token: str, endpoint: Endpoint, size: int, kind: str
) -> None:
    headers = {"Content-Type": kind, "Content-Encoding": "br"}
    body = b'{"model":"search"}\n{}' + b"\x00" * size

    ask(gateway, "/v1/uploads/u1/raw", body, token=own_token, headers=headers)

    [request] = provider.requests
    sent = {name.lower(): value for name, value in request.headers}
    assert request.body == body
    assert (sent["content-type"], sent["content-encoding"]) == (kind, "br")
    assert sent["content-length"] == str(len(body))


def test_json_that_curl_declares_as_a_form_is_sent_as_json(
    gateway: str, provider: Provider, own_token: str, endpoint: Endpoint
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    ask(gateway, "/v1/batches", {"input_file_id": "f"}, token=own_token, headers=headers)

    [request] = provider.requests
    types = [value for name, value in request.headers if name.lower() == "content-type"]
    assert types == ["application/json"]


# One model


def test_openais_sdk_retrieves_an_endpoint(gateway: str, token: str, endpoint: Endpoint) -> None:
    model = at_openai(f"{gateway}/v1", token).models.retrieve("search")

    assert (model.id, model.owned_by) == ("search", "gatehouse")


def test_anthropics_sdk_retrieves_an_endpoint(gateway: str, token: str, endpoint: Endpoint) -> None:
    client = anthropic.Anthropic(api_key=token, base_url=f"{gateway}/anthropic", max_retries=0)

    assert client.models.retrieve("search").display_name == "search"


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_googles_sdk_retrieves_an_endpoint(
    gateway: str, token: str, endpoint: Endpoint, version: str
) -> None:
    options = {"base_url": f"{gateway}/gemini", "api_version": version}
    client = genai.Client(api_key=token, vertexai=False, http_options=options)

    model = client.models.get(model="search")

    assert (model.name, model.display_name) == ("models/search", "search")
    assert "generateContent" in (model.supported_actions or [])


@pytest.mark.parametrize("path", ["/v1", "/openai/v1", "/anthropic/v1", "/gemini/v1beta"])
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("nope", 404, "unknown_endpoint"), ("other", 403, "endpoint_not_allowed")],
)
def test_a_model_that_the_token_may_not_use_is_not_there(
    gateway: str,
    own_token: str,
    make_endpoint: MakeEndpoint,
    key_at: KeyAt,
    path: str,
    name: str,
    status: int,
    code: str,
) -> None:
    make_endpoint("other", key_at("another-key"))

    answer = ask(gateway, f"{path}/models/{name}", token=own_token, method="GET")

    assert (answer.status, answer.code) == (status, code)


# Anthropic


@pytest.fixture
def claude(key_at: KeyAt, make_endpoint: MakeEndpoint) -> Endpoint:
    """The endpoint ``claude``: an Anthropic key and the model claude-x."""
    return make_endpoint("claude", key_at("my-anthropic-key", "anthropic"), model="claude-x")


def message(name: str, model: str = "claude") -> dict[str, object]:
    return {"custom_id": name, "params": {"model": model, "max_tokens": 9, "messages": HELLO}}


@pytest.mark.parametrize("path", ["/anthropic/v1/messages/batches", "/v1/messages/batches"])
def test_a_batch_names_the_endpoint_in_each_request(
    gateway: str, provider: Provider, token: str, claude: Endpoint, path: str
) -> None:
    tool = {"name": "t", "input": {"model": "claude"}}
    odd = {"custom_id": "x", "params": {"tools": [tool], "model": "claude"}}
    sent = json.dumps({"requests": [message("a"), odd, message("b")]}).encode()

    ask(gateway, path, sent, token=token, headers={"x-api-key": token})

    [request] = provider.requests
    kept = b'{"model": "claude"}'
    assert request.target == "/v1/messages/batches"
    assert request.body == sent.replace(b'"claude"', b'"claude-x"').replace(
        kept.replace(b"claude", b"claude-x"), kept
    )


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([message("a"), message("b", "other")], "mixed_batch"),
        ([{"custom_id": "a", "params": {}}], "no_model"),
        ([{"custom_id": "a", "params": {"model": None}}], "no_model"),
        ([{"custom_id": "a", "params": {"Model": "claude"}}], "no_model"),
        ([message("a", "nope")], "unknown_endpoint"),
        ([message(str(n)) for n in range(20_000)], "too_complex"),
    ],
)
def test_a_batch_for_no_endpoint_is_refused(
    gateway: str,
    provider: Provider,
    token: str,
    claude: Endpoint,
    make_endpoint: MakeEndpoint,
    key_at: KeyAt,
    requests: list[object],
    code: str,
) -> None:
    make_endpoint("other", key_at("another-key", "anthropic"))

    answer = ask(gateway, "/anthropic/v1/messages/batches", {"requests": requests}, token=token)

    assert answer.code == code
    assert not provider.requests


@pytest.mark.parametrize("base", ["/anthropic", "/claude"])
@pytest.mark.parametrize("in_chunks", [True, False])
def test_anthropics_sdk_follows_a_batch_to_its_results(
    gateway: str, provider: Provider, token: str, claude: Endpoint, base: str, in_chunks: bool
) -> None:
    """The provider names them with its own absolute URL, to which the SDK would send the token."""
    path = "/v1/messages/batches/msgbatch_1"
    found = {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {},
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T00:00:00Z",
        "results_url": f"{provider.url}{path}/results",
    }
    line = {"custom_id": "a", "result": {"type": "canceled"}}
    body = json.dumps(found).encode()
    batch = Response(chunks=[body[:200], body[200:]]) if in_chunks else Response(body=body)
    provider.next_responses(batch, Response(body=json.dumps(line).encode() + b"\n"))
    client = anthropic.Anthropic(api_key=token, base_url=gateway + base, max_retries=0)

    results = [item.custom_id for item in client.messages.batches.results("msgbatch_1")]

    assert results == ["a"]
    assert [request.target for request in provider.requests] == [path, f"{path}/results"]
    assert not [request for request in provider.requests if mentions(request, token)]


def test_json_is_known_in_capitals(
    gateway: str, provider: Provider, token: str, claude: Endpoint
) -> None:
    headers = {"Content-Type": "Application/JSON"}
    body = {"requests": [{"params": {"model": "claude"}}]}

    ask(gateway, "/anthropic/v1/messages/batches", body, token=token, headers=headers)

    [request] = provider.requests
    [sent] = json.loads(request.body)["requests"]
    assert sent["params"]["model"] != "claude"


ELSEWHERE = "https://elsewhere.example"


@pytest.mark.parametrize("in_chunks", [True, False])
@pytest.mark.parametrize(
    ("link", "path"),
    [
        (f'"results_url": "{ELSEWHERE}/r?a=1"', "/r?a=1"),
        (f'"results_url": "{ELSEWHERE}//other.example/r"', "/other.example/r"),
        (r'"results_url": "https:\/\/elsewhere.example/r"', "/r"),
        (f'"results_url": "{ELSEWHERE.upper()}/r"', "/r"),
        (f'"results_\\u0075rl": "{ELSEWHERE}/r"', "/r"),
        ('"results_url": "//elsewhere.example/r"', "/r"),
        ('"results_url": "/\\\\elsewhere.example/r"', "/elsewhere.example/r"),
        ('"results_url": "https://[/r"', "/"),
        ('"results_url": null', None),
    ],
)
def test_a_link_to_results_never_leads_elsewhere(
    gateway: str,
    provider: Provider,
    token: str,
    claude: Endpoint,
    link: str,
    path: str | None,
    in_chunks: bool,
) -> None:
    """Wherever it leads, Anthropic's SDKs send the gateway token there."""
    body = f'{{"id": "msgbatch_1", {link}}}'.encode()
    provider.next_responses(Response(chunks=[body]) if in_chunks else Response(body=body))

    answer = ask(gateway, "/anthropic/v1/messages/batches/msgbatch_1", token=token, method="GET")

    assert answer.json() == {"id": "msgbatch_1", "results_url": path}


@pytest.mark.parametrize(
    "response",
    [
        Response(headers=(("content-encoding", "gzip"),), body=b"\x1f\x8b"),
        Response(chunks=[b" " * 600_000] * 2 + [b'"results_url": "https://elsewhere.example/r"']),
    ],
    ids=["compressed", "too long"],
)
def test_a_batch_in_which_links_cannot_be_found_is_not_passed_on(
    gateway: str, provider: Provider, token: str, claude: Endpoint, response: Response
) -> None:
    provider.next_responses(response)

    answer = ask(gateway, "/anthropic/v1/messages/batches/msgbatch_1", token=token, method="GET")

    assert (answer.status, answer.code) == (502, "provider_broke_off")


# Google


@pytest.fixture
def gem(key_at: KeyAt, make_endpoint: MakeEndpoint) -> Endpoint:
    """The endpoint ``gem``: a Gemini key and the model simulated-x."""
    return make_endpoint("gem", key_at("my-gemini-key", "gemini"), model="simulated-x")


@pytest.mark.parametrize("base", ["/gemini/v1beta", "/v1beta", "/gemini/v1alpha", "/v1alpha"])
@pytest.mark.parametrize(
    ("path", "body", "sent"),
    [
        ("cachedContents", {"model": "models/gem"}, {"model": "models/simulated-x"}),
        ("interactions", {"model": "gem", "input": "Hi"}, {"model": "simulated-x", "input": "Hi"}),
        ("models/gem:generateContent", {"contents": []}, {"contents": []}),
    ],
)
def test_googles_versions_and_bodies_that_name_the_model(
    gateway: str,
    provider: Provider,
    token: str,
    gem: Endpoint,
    base: str,
    path: str,
    body: object,
    sent: object,
) -> None:
    ask(gateway, f"{base}/{path}", body, headers={"x-goog-api-key": token})

    [request] = provider.requests
    version = base.rpartition("/")[2]
    assert request.target == f"/{version}/{path.replace('gem:', 'simulated-x:')}"
    assert json.loads(request.body) == sent
    assert credentials_in(request) == [("x-goog-api-key", OPENAI_KEY)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1beta/cachedContents/c1"),
        ("PATCH", "/v1beta/cachedContents/c1"),
        ("DELETE", "/v1beta/files/f1"),
        ("GET", "/v1beta/interactions/i1"),
        ("POST", "/v1beta/batches/b1:cancel"),
        ("POST", "/upload/v1beta/files"),
    ],
)
def test_googles_calls_without_a_model(
    gateway: str, provider: Provider, token: str, gem: Endpoint, method: str, path: str
) -> None:
    body = {} if method in ("POST", "PATCH") else b""

    ask(gateway, f"/gemini{path}", body, method=method, headers={"x-goog-api-key": token})

    [request] = provider.requests
    assert (request.method, request.target) == (method, path)
    assert credentials_in(request) == [("x-goog-api-key", OPENAI_KEY)]
