"""Faults of a provider: the client gets a clean error or end, and the gateway keeps serving."""

import socket
from http.client import HTTPConnection, IncompleteRead
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
from google import genai

from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat, dial, eventually, speak, written

MB = 1024 * 1024
CHAT = "/gateway/v1/chat/completions"
HI = b'{"model":"search","messages":[]}'


def raw(head: bytes, body: bytes = b"", **how: Any) -> Response:
    """Return a response that is sent byte by byte."""
    return Response(raw=head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body, **how)


# Before the answer has begun

BROKEN = [
    Response(raw=b"", close=True),
    Response(raw=b"\x16\x03\x01 this is not HTTP\r\n\r\n", close=True),
    Response(raw=b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
    raw(b"HTTP/1.1 200 OK\nContent-Length: 50", b'{"half":', close=True),
    raw(b"HTTP/1.1 200 OK\nContent-Length: -5", b"{}", close=True),
    raw(b"HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6", b"{}", close=True),
    raw(b"HTTP/1.1 999999 OK", b"{}", close=True),
    raw(b"HTTP/1.1 999 OK\nContent-Length: 2", b"{}", close=True),
    raw(b"HTTP/1.1 600 OK\nContent-Length: 2", b"{}", close=True),
    raw(b"HTTP/1.1 101 Switching Protocols\nUpgrade: h2c\nConnection: upgrade", close=True),
    raw(b"HTTP/9.9 200 OK", b"{}", close=True),
    raw(b"HTTP/1.1 200 OK\nX-Big: " + b"x" * 70_000, b"{}", close=True),
    raw(b"HTTP/1.1 200 OK\n: nameless", b"{}", close=True),
    raw(b"HTTP/1.1 302 Found\nLocation: http://127.0.0.1:9/\nContent-Length: 0"),
    raw(b"HTTP/1.1 307 Temporary\nLocation: /v1/chat/completions\nContent-Length: 0"),
    raw(b"HTTP/1.1 300 Many\nContent-Length: 0"),
]


def test_what_is_no_answer_is_a_502_and_the_next_request_is_served(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    for broken in BROKEN:
        provider.next_responses(broken)

        answer = chat(gateway, token)

        assert answer.status == 502, broken
        assert answer.code in (
            "provider_unreachable", "provider_broke_off", "provider_redirected",
        ), broken  # fmt: skip
        assert OPENAI_KEY not in f"{answer.headers}{answer.body!r}"
        assert chat(gateway, token).status == 200
    assert len(provider.requests) == 2 * len(BROKEN)  # nothing is sent twice


def test_a_header_that_no_server_may_send_is_left_out(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    odd = b"HTTP/1.1 200 OK\nX-Odd: a\x01b\nX-Even: a\tb\nContent-Length: 2"
    provider.next_responses(raw(odd, b"{}"))

    answer = chat(gateway, token)

    assert (answer.status, answer.body) == (200, b"{}")
    assert "x-odd" not in answer.headers
    assert answer.headers["x-even"] == "a\tb"


def test_a_proxy_before_us_is_asked_to_hold_no_event_back(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    assert chat(gateway, token, stream=True).headers["x-accel-buffering"] == "no"
    assert "x-accel-buffering" not in chat(gateway, token).headers


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_says_nothing_of_its_length(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, status: bytes
) -> None:
    provider.next_responses(raw(b"HTTP/1.1 %b\nETag: a\nContent-Length: 0" % status, close=True))

    answer = ask(gateway, "/search/v1/files/a", token=token, method="GET")

    assert (answer.status, answer.body) == (int(status[:3]), b"")
    assert "content-length" not in answer.headers


def test_head_reports_the_length_of_get(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(raw(b"HTTP/1.1 200 OK\nContent-Length: 1234", close=True))

    answer = ask(gateway, "/search/v1/files/a", token=token, method="HEAD")

    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "1234", b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    status: int,
) -> None:
    make_endpoint("search", key_at(), model=f"redirect-{status}")

    with Provider().running() as elsewhere:
        provider.redirect_to = elsewhere.url
        answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_redirected")
    assert "location" not in answer.headers
    assert not elsewhere.requests


def test_a_closed_port_is_a_502(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    make_endpoint("search", key_at(url=closed_url))

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_unreachable")


@pytest.mark.parametrize("model", ["slow-20000", "stall"])
def test_silence_is_a_504(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    model: str,
) -> None:
    settings.GATEWAY_FIRST_BYTE_SECONDS = settings.GATEWAY_IDLE_SECONDS = 0.3
    make_endpoint("search", key_at(), model=model)

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (504, "provider_timeout_maybe_billed")
    assert answer.headers["x-should-retry"] == "false"
    eventually(lambda: provider.aborted == 1, seconds=10)


@pytest.mark.parametrize("path", [CHAT, "/gateway/anthropic/v1/messages/batches/b1"])
def test_the_idle_limit_is_between_two_pieces_of_a_short_body(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    path: str,
) -> None:
    settings.GATEWAY_IDLE_SECONDS = 2
    is_chat = path == CHAT
    make_endpoint("search", key_at(kind="openai" if is_chat else "anthropic"))
    pieces = [b'{"id":"', *[b"x"] * 40, b'"}']
    length = str(sum(map(len, pieces)))
    provider.next_responses(Response(headers={"content-length": length}, chunks=pieces, pause=0.1))

    answer = (
        chat(gateway, token)
        if is_chat
        else ask(gateway, path.removeprefix("/gateway"), token=token, method="GET")
    )

    assert (answer.status, len(answer.body)) == (200, int(length))


# In the middle of a stream

TROUBLES = [("cut", "provider_broke_off"), ("stall", "provider_timeout")]
# Before any content: then the client gets an error with a status.
BEFORE_CONTENT = [TROUBLES[0], ("stall", "provider_timeout_maybe_billed")]


@pytest.mark.parametrize(("model", "code"), BEFORE_CONTENT)
def test_openais_sdk_gets_an_error_when_its_stream_breaks_off(
    gateway: str,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    model: str,
    code: str,
) -> None:
    settings.GATEWAY_IDLE_SECONDS = 1
    make_endpoint("search", key_at(), model=model)
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)

    with pytest.raises(openai.APIError) as raised:
        list(client.chat.completions.create(model="search", messages=HELLO, stream=True))

    assert raised.value.code == code


@pytest.mark.parametrize(("model", "code"), BEFORE_CONTENT)
def test_anthropics_sdk_gets_an_error_when_its_stream_breaks_off(
    gateway: str,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    model: str,
    code: str,
) -> None:
    settings.GATEWAY_IDLE_SECONDS = 1
    make_endpoint("claude", key_at("my-anthropic-key", "anthropic"), model=model)
    client = anthropic.Anthropic(api_key=token, base_url=gateway, max_retries=0)

    with (
        pytest.raises(anthropic.APIStatusError) as raised,
        client.messages.stream(model="claude", max_tokens=9, messages=HELLO) as stream,
    ):
        stream.get_final_message()

    assert raised.value.body["error"]["code"] == code


@pytest.mark.parametrize(("model", "code"), TROUBLES)
def test_googles_sdk_gets_an_error_when_its_stream_breaks_off(
    gateway: str,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    model: str,
    code: str,
) -> None:
    settings.GATEWAY_IDLE_SECONDS = 1
    make_endpoint("gem", key_at("my-gemini-key", "gemini"), model=model)
    options = {"base_url": f"{gateway}/gemini"}
    client = genai.Client(api_key=token, vertexai=False, http_options=options)

    with pytest.raises(genai.errors.APIError) as raised:
        list(client.models.generate_content_stream(model="gem", contents="Hi"))

    assert code.upper() in str(raised.value.details)


def test_an_event_that_broke_off_in_a_line_is_not_passed_on(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    events = (("content-type", "text/event-stream"),)
    whole = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    provider.next_responses(
        Response(headers=events, chunks=[whole, whole[:20]], pause=0.1, close=True)
    )

    answer = chat(gateway, token, stream=True)

    passed_on, error = answer.body.split(b"\n\n", 1)
    assert passed_on + b"\n\n" == whole
    assert error.startswith(b'data: {"error"')


@pytest.mark.parametrize(
    "scripted",
    [
        Response(chunks=[b'{"a":', b"1"], close=True),
        Response(headers={"content-length": str(2 * MB)}, chunks=[b"x" * MB], close=True),
        Response(
            headers={"content-type": "text/event-stream", "content-encoding": "gzip"},
            chunks=[b"\x1f\x8b\x08"],
            close=True,
        ),
        Response(
            headers={"transfer-encoding": "chunked"},
            chunks=[b"5\r\nhello\r\n", b"zz\r\n"],
            pause=0.2,
            close=True,
        ),
    ],
    ids=["chunks", "length", "compressed", "garbage"],
)
def test_anything_else_that_breaks_off_does_not_look_whole(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, scripted: Response
) -> None:
    provider.next_responses(scripted)
    parts = urlsplit(gateway)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("POST", CHAT, HI, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()

    with pytest.raises((IncompleteRead, ConnectionError)):
        answer.read()

    connection.close()
    assert chat(gateway, token).status == 200


# Strange, but an answer


@pytest.mark.parametrize(
    "scripted",
    [
        Response(body=b"\x00\xff"),
        Response(headers={"content-encoding": "gzip"}, body=b"this is not gzip"),
        Response(headers={"content-encoding": "br"}, body=b"\x0b\x02\x80"),
        Response(body=b"[" * 100_000),
        Response(body=b'{"usage": {"prompt_tokens": "many"}}'),
        Response(body=b'{"usage": {"prompt_tokens": -5, "completion_tokens": 1}}'),
        Response(body=b'{"usage": {"prompt_tokens": 1' + b"0" * 40 + b"}}"),
        Response(body=b'{"usage": [], "message": {"usage": 5}}'),
        Response(
            headers={"content-type": "text/event-stream"},
            chunks=[b"\r\rdata: {\ndata:\n\n:\xff", b'data: {"usage": {"input_tokens": []}}\n'],
        ),
        Response(
            headers={"content-type": "application/vnd.amazon.eventstream"},
            chunks=[b'\x00{"usage":{"inputTokens":"x"}}', b'"usage":{"inputTokens":4,}'],
        ),
        Response(headers={"content-type": "\xff; charset"}, body=b"{}"),
        Response(headers={"x-peculiar": "caf\xe9"}, body=b"{}"),
    ],
)
def test_what_is_strange_passes_as_it_is(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, scripted: Response
) -> None:
    provider.next_responses(scripted)

    answer = chat(gateway, token)

    assert answer.status == 200
    assert answer.body == (
        b"".join(scripted.chunks) if scripted.chunks is not None else scripted.body
    )
    assert chat(gateway, token).status == 200


def test_an_answer_without_content_has_none(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(Response(status=204))

    answer = ask(gateway, "/search/v1/files/f", token=token, method="DELETE")

    assert (answer.status, answer.body) == (204, b"")


def test_an_interim_response_is_skipped(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    provider.next_responses(
        Response(raw=interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    )

    answer = chat(gateway, token)

    assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
def test_an_error_that_cannot_be_looked_through_is_not_shown(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, encoding: str
) -> None:
    packed = Response(
        status=400, headers={"content-encoding": encoding}, body=b"\x00" + OPENAI_KEY.encode()
    )
    provider.next_responses(packed)

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (400, "provider_error_encoded")
    assert OPENAI_KEY.encode() not in answer.body
    assert "content-encoding" not in answer.headers


# Much of it


def resident() -> int:
    """Return the bytes of memory that this process, the gateway in it, takes up."""
    with open("/proc/self/statm") as facts:
        return int(facts.read().split()[1]) * 4096


def test_an_answer_of_200_megabytes_streams_in_flat_memory(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key_at(), model="huge")
    before, most, size = resident(), 0, 0

    with dial(gateway) as caller:
        caller.sendall(written(CHAT, token, HI))
        sleep(0.5)  # who reads late fills no memory either
        while part := caller.recv(MB):
            size += len(part)
            most = max(most, resident())

    assert size > 200 * MB
    assert most - before < 48 * MB


def test_a_slow_client_gets_the_whole_response(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    size = 16 * MB
    provider.next_responses(
        Response(headers={"content-length": str(size)}, chunks=[b"x" * MB] * 16, close=True)
    )

    with dial(gateway) as caller:
        caller.sendall(written(CHAT, token, HI))
        received = caller.recv(MB)
        while part := caller.recv(MB):
            received += part
            sleep(0.01)

    assert received.count(b"x") >= size
    assert received.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_client_that_does_not_read_is_disconnected(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    endpoint: Endpoint,
    kind: str,
) -> None:
    settings.GATEWAY_IDLE_SECONDS = 0.3
    much = (b": " + b" " * MB + b"\n\n",) * 100
    provider.next_responses(Response(headers={"content-type": kind}, chunks=much))

    with dial(gateway) as caller:
        caller.sendall(written(CHAT, token, HI))
        eventually(lambda: provider.aborted == 1, seconds=10)


def test_many_concurrent_streams_are_all_sent_to_their_end(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key_at(), model="stream-20-10")
    body = b'{"model":"search","messages":[],"stream":true}'
    started = monotonic()

    callers = [dial(gateway) for _ in range(100)]
    for caller in callers:
        caller.sendall(written(CHAT, token, body))
    received = []
    for caller in callers:
        with caller:
            parts = list(iter(lambda: caller.recv(65536), b""))  # noqa: B023 - read at once
            received.append(b"".join(parts))

    assert all(answer.rstrip().endswith(b"0") and b"[DONE]" in answer for answer in received)
    assert monotonic() - started < 20


def test_the_worker_lives_through_all_of_it_on_one_connection(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(*BROKEN[:4])

    received = speak(gateway, written(CHAT, token, HI, close=False) * 4 + written(CHAT, token, HI))

    assert received.count(b"HTTP/1.1 502 ") == 4
    assert received.count(b"HTTP/1.1 200 ") == 1
