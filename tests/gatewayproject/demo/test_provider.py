"""The simulated provider, seen through the official SDKs and through bare sockets."""

import gzip
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from gatewayproject.demo.provider import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    UNCACHED_TOKENS,
    Provider,
    Response,
)

pytestmark = pytest.mark.usefixtures("nothing_slips_out")

HELLO = [{"role": "user", "content": "Is anybody there?"}]
ASKS_FOR_TOOL = [{"role": "user", "content": "Use the tool, please."}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
}
ARGUMENTS = {"city": "example", "days": 1}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider().running() as provider:
        yield provider


@pytest.fixture
def openai_client(provider: Provider) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-made-up", base_url=f"{provider.url}/v1", max_retries=0)


@pytest.fixture
def anthropic_client(provider: Provider) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="sk-ant-made-up", base_url=provider.url, max_retries=0)


@pytest.fixture
def google_client(provider: Provider) -> genai.Client:
    return genai.Client(
        api_key="AIza-made-up", vertexai=False, http_options={"base_url": provider.url}
    )


# The dialects, in the ears of the official SDKs


def test_an_openai_chat_echoes_the_last_message(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="any", messages=HELLO)

    assert "simulated provider" in answer.choices[0].message.content
    assert answer.choices[0].message.content.endswith("Is anybody there?")
    assert answer.usage.prompt_tokens == INPUT_TOKENS
    assert answer.usage.completion_tokens == OUTPUT_TOKENS
    assert answer.usage.prompt_tokens_details.cached_tokens == CACHED_TOKENS


def test_an_openai_stream_has_the_same_text_and_ends_with_usage(
    openai_client: openai.OpenAI,
) -> None:
    whole = openai_client.chat.completions.create(model="any", messages=HELLO)

    chunks = list(
        openai_client.chat.completions.create(
            model="any", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    *shown, last = chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in shown)
    assert text == whole.choices[0].message.content
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None for chunk in shown)


def test_an_openai_stream_has_usage_only_on_request(openai_client: openai.OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(model="any", messages=HELLO, stream=True))

    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("streamed", [False, True])
def test_openai_calls_a_tool_if_the_message_mentions_one(
    openai_client: openai.OpenAI, streamed: bool
) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
    ask = {"model": "any", "messages": ASKS_FOR_TOOL, "tools": [tool]}

    if streamed:
        with openai_client.chat.completions.stream(**ask) as stream:
            choice = stream.get_final_completion().choices[0]
    else:
        choice = openai_client.chat.completions.create(**ask).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "get_weather"
    assert json.loads(choice.message.tool_calls[0].function.arguments) == ARGUMENTS


def test_openai_responses_work_with_and_without_streaming(openai_client: openai.OpenAI) -> None:
    whole = openai_client.responses.create(model="any", input="Is anybody there?")

    with openai_client.responses.stream(model="any", input="Is anybody there?") as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()

    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds
    assert streamed.output_text == whole.output_text
    assert streamed.usage.output_tokens == OUTPUT_TOKENS
    assert streamed.usage.input_tokens_details.cached_tokens == CACHED_TOKENS


@pytest.mark.parametrize("streamed", [False, True])
def test_openai_completes_text(openai_client: openai.OpenAI, streamed: bool) -> None:
    answer = openai_client.completions.create(model="any", prompt="Once", stream=streamed)

    text = "".join(part.choices[0].text for part in (answer if streamed else [answer]))
    assert text.endswith("Once")


def test_openai_embeddings_are_equal_as_floats_and_base64(openai_client: openai.OpenAI) -> None:
    packed = openai_client.embeddings.create(model="any", input=["a", "b"], dimensions=16)
    plain = openai_client.embeddings.create(
        model="any", input=["a", "b"], dimensions=16, encoding_format="float"
    )

    assert [len(item.embedding) for item in plain.data] == [16, 16]
    assert [item.embedding for item in packed.data] == [item.embedding for item in plain.data]


def test_azure_deployments_are_openai_with_the_model_in_the_path(provider: Provider) -> None:
    client = openai.AzureOpenAI(
        api_key="made-up", azure_endpoint=provider.url, api_version="2024-10-21", max_retries=0
    )

    answer = client.chat.completions.create(model="my-deployment", messages=HELLO)

    assert answer.model == "my-deployment"
    assert provider.requests[0].target == (
        "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
    )


def test_an_anthropic_message_counts_cached_tokens_separately(
    anthropic_client: anthropic.Anthropic,
) -> None:
    message = anthropic_client.messages.create(model="any", max_tokens=9, messages=HELLO)

    assert message.content[0].text.endswith("Is anybody there?")
    assert message.usage.input_tokens == UNCACHED_TOKENS == INPUT_TOKENS - CACHED_TOKENS
    assert message.usage.cache_read_input_tokens == CACHED_TOKENS
    assert message.usage.output_tokens == OUTPUT_TOKENS


def test_an_anthropic_stream_adds_up_to_the_message(anthropic_client: anthropic.Anthropic) -> None:
    whole = anthropic_client.messages.create(model="any", max_tokens=9, messages=HELLO)

    with anthropic_client.messages.stream(model="any", max_tokens=9, messages=HELLO) as stream:
        streamed = stream.get_final_message()

    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage == whole.usage
    assert streamed.stop_reason == "end_turn"


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropic_uses_a_tool_if_the_message_mentions_one(
    anthropic_client: anthropic.Anthropic, streamed: bool
) -> None:
    tool = {"name": "get_weather", "input_schema": SCHEMA}
    ask = {"model": "any", "max_tokens": 9, "messages": ASKS_FOR_TOOL, "tools": [tool]}

    if streamed:
        with anthropic_client.messages.stream(**ask) as stream:
            message = stream.get_final_message()
    else:
        message = anthropic_client.messages.create(**ask)

    assert message.stop_reason == "tool_use"
    assert message.content[0].name == "get_weather"
    assert message.content[0].input == ARGUMENTS


def test_google_generates_with_and_without_streaming(google_client: genai.Client) -> None:
    whole = google_client.models.generate_content(model="any", contents="Is anybody there?")
    chunks = list(
        google_client.models.generate_content_stream(model="any", contents="Is anybody there?")
    )

    assert whole.text.endswith("Is anybody there?")
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert chunks[-1].usage_metadata == whole.usage_metadata
    assert whole.usage_metadata.prompt_token_count == INPUT_TOKENS
    assert whole.usage_metadata.cached_content_token_count == CACHED_TOKENS
    assert whole.usage_metadata.candidates_token_count == OUTPUT_TOKENS


def test_a_google_stream_without_sse_is_a_json_array(provider: Provider) -> None:
    ask = {"contents": [{"parts": [{"text": "Hello"}]}]}

    path = "/v1beta/models/any:streamGenerateContent"
    response = post(provider, path, ask, {"x-goog-api-key": "made-up"})

    assert response.getheader("content-type") == "application/json; charset=UTF-8"
    assert json.loads(response.read())[-1]["candidates"][0]["finishReason"] == "STOP"


def test_google_calls_a_function_if_the_message_mentions_a_tool(
    google_client: genai.Client,
) -> None:
    declared = {"name": "get_weather", "parameters_json_schema": SCHEMA}

    answer = google_client.models.generate_content(
        model="any",
        contents="Use the tool, please.",
        config={"tools": [{"function_declarations": [declared]}]},
    )

    assert answer.function_calls[0].name == "get_weather"
    assert answer.function_calls[0].args == ARGUMENTS


def test_google_embeds_and_counts(google_client: genai.Client) -> None:
    embedded = google_client.models.embed_content(model="any", contents=["a", "b"])
    counted = google_client.models.count_tokens(model="any", contents="Hello")

    assert len(embedded.embeddings) == 2
    assert counted.total_tokens == INPUT_TOKENS


def test_every_sdk_lists_the_models(
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    google_client: genai.Client,
) -> None:
    assert "simulated-small" in [model.id for model in openai_client.models.list()]
    assert "simulated-small" in [model.id for model in anthropic_client.models.list()]
    assert "models/simulated-small" in [model.name for model in google_client.models.list()]
    assert openai_client.models.retrieve("simulated-small").id == "simulated-small"
    assert anthropic_client.models.retrieve("simulated-small").id == "simulated-small"
    assert google_client.models.get(model="simulated-small").name == "models/simulated-small"


def test_anthropic_counts_tokens(anthropic_client: anthropic.Anthropic) -> None:
    counted = anthropic_client.messages.count_tokens(model="any", messages=HELLO)

    assert counted.input_tokens == INPUT_TOKENS


def test_bedrock_accepts_signed_requests(provider: Provider) -> None:
    ask = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    signed = "AWS4-HMAC-SHA256 Credential=AKIAMADEUP/20250101/us-east-1/bedrock/aws4_request, …"

    path = "/model/anthropic.claude-v1%3A0/converse"
    response = post(provider, path, ask, {"authorization": signed.encode()})

    usage = json.loads(response.read())["usage"]
    assert (usage["inputTokens"], usage["outputTokens"]) == (UNCACHED_TOKENS, OUTPUT_TOKENS)


@pytest.mark.parametrize(
    "path", ["/acme/oauth2/v2.0/token", "/oidc/v1/token", "/token", "/identity/token"]
)
def test_every_oauth_token_is_different(provider: Provider, path: str) -> None:
    tokens = [
        json.loads(send(provider, "POST", path, b"grant_type=client_credentials").read())
        for _ in range(2)
    ]

    assert [token["access_token"] for token in tokens] == ["made-up-1", "made-up-2"]
    assert tokens[0]["expires_in"] == 3600


def test_the_metadata_service_requires_its_header(provider: Provider) -> None:
    path = "/metadata/identity/oauth2/token?resource=https://cognitiveservices.azure.com"

    with_header = send(provider, "GET", path, headers={"Metadata": "true"})
    without = send(provider, "GET", path)

    assert json.loads(with_header.read())["access_token"] == "made-up-1"
    assert without.status == 400


# Keys


def test_a_missing_credential_is_refused_in_the_dialect_of_the_request(provider: Provider) -> None:
    said = {"model": "any", "messages": HELLO, "contents": []}

    in_openai = post(provider, "/v1/chat/completions", said, {"x-api-key": "of another kind"})
    in_anthropic = post(provider, "/v1/messages", said, {"api-key": "of another kind"})
    in_google = post(provider, "/v1beta/models/any:generateContent", said, {})

    assert (in_openai.status, in_anthropic.status, in_google.status) == (401, 401, 401)
    assert json.loads(in_openai.read())["error"]["code"] == "invalid_api_key"
    assert json.loads(in_anthropic.read())["error"]["type"] == "authentication_error"
    assert json.loads(in_google.read())["error"]["status"] == "UNAUTHENTICATED"


def test_only_accepted_keys_are_valid(
    provider: Provider,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    google_client: genai.Client,
) -> None:
    provider.accept_keys = {"sk-made-up"}

    openai_client.models.list()
    with pytest.raises(anthropic.AuthenticationError):
        anthropic_client.models.list()
    with pytest.raises(google_errors.ClientError, match="API_KEY_INVALID") as refused:
        google_client.models.generate_content(model="any", contents="Hello")
    assert refused.value.code == 400


def test_a_401_repeats_the_key(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="sk-made-up"):
        openai_client.chat.completions.create(model="fail-401", messages=HELLO)


# Behaviors, chosen by the name of the model


def test_every_sdk_raises_its_own_error_for_a_failing_model(
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    google_client: genai.Client,
) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        openai_client.chat.completions.create(model="fail-429", messages=HELLO)
    with pytest.raises(anthropic.InternalServerError, match="overloaded_error"):
        anthropic_client.messages.create(model="fail-529", max_tokens=9, messages=HELLO)
    with pytest.raises(google_errors.ServerError, match="UNAVAILABLE"):
        google_client.models.generate_content(model="fail-503", contents="Hello")

    assert limited.value.response.headers["retry-after"] == "2"


def test_a_slow_model_delays_its_first_byte(provider: Provider) -> None:
    begun = time.monotonic()

    chat(provider, "slow-120").read()

    assert time.monotonic() - begun >= 0.12


def test_the_name_of_the_model_sets_the_chunks_and_pauses_of_a_stream(
    openai_client: openai.OpenAI,
) -> None:
    begun = time.monotonic()

    stream = openai_client.chat.completions.create(model="stream-30-5", messages=HELLO, stream=True)
    pieces = [chunk for chunk in stream if chunk.choices[0].delta.content]

    assert len(pieces) == 30
    assert time.monotonic() - begun >= 30 * 0.005


@pytest.mark.parametrize("streamed", [False, True])
def test_a_stalled_response_is_counted_when_the_client_disconnects(
    provider: Provider, streamed: bool
) -> None:
    with dial(provider) as client:
        client.sendall(chat_request("stall", stream=streamed))
        begun = client.recv(65536)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(65536)
        assert provider.open_connections == 1
        assert provider.aborted == 0

    assert begun.startswith(b"HTTP/1.1 200 OK\r\n")
    eventually(lambda: provider.aborted == 1)
    eventually(lambda: provider.open_connections == 0)


def test_an_unfinished_request_is_counted_when_the_client_disconnects(provider: Provider) -> None:
    with dial(provider) as client:
        client.sendall(chat_request("any")[:-5])
        eventually(lambda: provider.open_connections == 1)

    eventually(lambda: provider.aborted == 1)
    assert provider.requests == []


def test_a_complete_response_is_not_counted_as_aborted(provider: Provider) -> None:
    with dial(provider) as client:
        client.sendall(chat_request("any", stream=True))
        assert client.recv(65536).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")

    eventually(lambda: provider.open_connections == 0)
    assert provider.aborted == 0


def test_the_model_close_closes_without_a_response(provider: Provider) -> None:
    assert exchange(provider, chat_request("close")) == b""
    assert provider.aborted == 0


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cut_response_is_incomplete(provider: Provider, streamed: bool) -> None:
    response = chat(provider, "cut", stream=streamed)

    assert response.status == 200
    with pytest.raises(IncompleteRead):
        response.read()


def test_garbage_is_not_http(provider: Provider) -> None:
    assert not exchange(provider, chat_request("garbage")).startswith(b"HTTP")


def test_a_redirect_points_to_another_origin(provider: Provider) -> None:
    provider.redirect_to = "http://127.0.0.2:9"

    response = chat(provider, "redirect")

    assert response.status == 302
    assert response.getheader("location") == "http://127.0.0.2:9/v1/chat/completions"


def test_a_huge_response_waits_for_a_slow_client(provider: Provider) -> None:
    with dial(provider) as client:
        client.sendall(chat_request("huge"))
        head = client.recv(1024)
        time.sleep(0.1)
        [connection] = provider.connections
        waiting = connection.transport.get_write_buffer_size()

    assert b"content-length: 209715200\r\n" in head
    assert waiting < 1024 * 1024
    eventually(lambda: provider.aborted == 1)


def test_a_huge_response_arrives_completely(provider: Provider) -> None:
    assert len(chat(provider, "huge-3").read()) == 3 * 1024 * 1024


def test_response_headers_can_be_too_large(provider: Provider) -> None:
    head, _, body = exchange(provider, chat_request("big-headers", close=True)).partition(
        b"\r\n\r\n"
    )

    assert len(head) > 300 * 1024
    assert json.loads(body)["object"] == "chat.completion"


def test_the_model_cookies_adds_cookies_and_hop_by_hop_headers(provider: Provider) -> None:
    response = chat(provider, "cookies")

    assert len(response.headers.get_all("set-cookie")) == 2
    assert response.getheader("connection") == "x-foo"
    assert json.loads(response.read())["object"] == "chat.completion"


def test_gzip_is_sent_only_to_clients_that_accept_it(provider: Provider) -> None:
    packed = chat(provider, "gzip", headers={"accept-encoding": "br, gzip"})
    plain = chat(provider, "gzip")

    assert packed.getheader("content-encoding") == "gzip"
    assert plain.getheader("content-encoding") is None
    assert gzip.decompress(packed.read()) == plain.read()


# Scripted responses, and the requests that arrived


def test_scripted_responses_are_sent_first_and_in_order(provider: Provider) -> None:
    provider.next_responses(
        Response(status=429, headers={"retry-after": "7"}, body=b'{"error":{}}'),
        Response(status=204),
    )

    first, second, third = (chat(provider, "any") for _ in range(3))

    assert (first.status, first.getheader("retry-after")) == (429, "7")
    assert (second.status, second.getheader("content-length")) == (204, None)
    assert third.status == 200


def test_a_script_applies_to_one_model_or_path(provider: Provider) -> None:
    provider.script("gpt-broken", Response(status=503), repeat=True)
    provider.script("/embeddings", Response(status=418))

    broken = [chat(provider, "gpt-broken").status for _ in range(3)]
    embedded = [
        post(provider, "/v1/embeddings", {"model": "any", "input": "a"}, BEARER).status
        for _ in range(2)
    ]

    assert broken == [503, 503, 503]
    assert embedded == [418, 200]
    assert chat(provider, "any").status == 200


def test_requests_are_recorded_exactly_as_sent(provider: Provider) -> None:
    body = b'{ "model":"any", "messages" : [] }'
    sent = (
        b"POST /v1//a%2Fb/chat/completions?b=2&a=%20 HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\n"
        b"AUTHORIZATION: Bearer k\r\nx-twice: 2\r\nContent-Length: 34\r\n\r\n"
    )

    with dial(provider) as client:
        for byte in sent + body:  # in pieces as small as can be
            client.sendall(bytes([byte]))
        client.recv(65536)

    [received] = provider.requests
    assert received.method == "POST"
    assert received.target == "/v1//a%2Fb/chat/completions?b=2&a=%20"
    assert received.headers == [
        ("Host", "x"),
        ("X-Twice", "1"),
        ("AUTHORIZATION", "Bearer k"),
        ("x-twice", "2"),
        ("Content-Length", "34"),
    ]
    assert received.body == body
    provider.clear()
    assert provider.requests == []


# The connection


def test_pipelined_requests_get_responses_in_order(provider: Provider) -> None:
    models = ["slow-20", "one", "stream-3-2", "two", "three"] * 16

    last = chat_request("last", close=True)
    answered = exchange(
        provider,
        b"".join(chat_request(model, stream=model == "stream-3-2") for model in models) + last,
    )

    shown = [answered.find(b'"model":"last"')]
    at = 0
    for model in models:
        at = answered.index(f'"model":"{model}"'.encode(), at) + 1
        shown.append(at)
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == len(models) + 1
    assert shown[0] > shown[-1]
    assert provider.aborted == 0


def test_an_unknown_path_is_not_found_and_the_connection_stays_open(provider: Provider) -> None:
    connection = HTTPConnection(provider.host, provider.port, timeout=30)

    connection.request("GET", "/nothing/here")
    lost = connection.getresponse()
    json.loads(lost.read())
    connection.request("HEAD", "/nothing/here")
    again = connection.getresponse()

    assert (lost.status, again.status) == (404, 404)
    assert again.read() == b""
    assert provider.open_connections == 1


def test_invalid_http_is_a_bad_request_and_closes_the_connection(provider: Provider) -> None:
    answered = exchange(provider, b"HELLO there\r\n\r\n")

    assert answered.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_invalid_json_is_a_bad_request_in_the_dialect(provider: Provider) -> None:
    response = send(provider, "POST", "/v1/messages", b"{", {"x-api-key": "made-up"})

    assert response.status == 400
    assert json.loads(response.read())["error"]["type"] == "invalid_request_error"


def test_the_command_prints_its_url_and_stops_on_a_signal() -> None:
    command = [sys.executable, "-m", "gatewayproject.demo.provider", "--port", "0"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        port = int(said.rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/v1/models", headers=BEARER)
        answered = connection.getresponse().status
        process.send_signal(signal.SIGTERM)

    assert said == f"listening on http://127.0.0.1:{port}\n"
    assert answered == 200
    assert process.returncode == 0


# How the tests ask

BEARER = {"authorization": "Bearer sk-made-up"}


def chat(
    provider: Provider, model: str, *, stream: bool = False, headers: dict[str, str] | None = None
) -> HTTPResponse:
    said = {"model": model, "messages": HELLO, "stream": stream}
    return post(provider, "/v1/chat/completions", said, {**BEARER, **(headers or {})})


def post(
    provider: Provider, path: str, said: dict[str, Any], headers: dict[str, Any]
) -> HTTPResponse:
    return send(provider, "POST", path, json.dumps(said).encode(), headers)


def send(
    provider: Provider,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, Any] | None = None,
) -> HTTPResponse:
    connection = HTTPConnection(provider.host, provider.port, timeout=30)
    connection.request(method, path, body, headers or {})
    return connection.getresponse()


def chat_request(model: str, *, stream: bool = False, close: bool = False) -> bytes:
    body = json.dumps({"model": model, "messages": HELLO, "stream": stream}).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: provider.example",
        "Authorization: Bearer sk-made-up",
        f"Content-Length: {len(body)}",
        *(["Connection: close"] if close else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def dial(provider: Provider) -> socket.socket:
    return socket.create_connection((provider.host, provider.port), timeout=30)


def exchange(provider: Provider, sent: bytes) -> bytes:
    """Send bytes and read all that comes until the provider closes."""
    with dial(provider) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


def eventually(is_so: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
