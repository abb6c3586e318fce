"""What clients may send before a response: small headers, and the body of a page, in time."""

import http.client
import socket
from contextlib import suppress
from time import monotonic, sleep
from urllib.parse import urlsplit

import pytest

from endpoints.gateway.app import MAX_HEADERS
from gatewayproject.asgi import application
from gatewayproject.demo.provider import Provider, Response
from gatewayproject.server import body_limit, uvicorn_limits
from gatewayproject.server.uvicorn_limits import MAX_HEADER_BYTES
from tests.endpoints.gateway.client import (
    ask,
    chat,
    dial,
    eventually,
    read_to_the_end,
    speak,
    written,
)
from tests.endpoints.gateway.event_loops import run
from tests.endpoints.gateway.test_provider_troubles import resident

pytestmark = pytest.mark.usefixtures("nothing_slips_out")

CHAT = "/gateway/v1/chat/completions"
LIST = b"GET /gateway/v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n"
TRAILERS = (
    b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\nX-A: "
)
SOON = 3  # seconds: less than uvicorn waits for another request


@pytest.fixture
def short_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a head for a third of a second instead of half a minute."""
    monkeypatch.setattr(uvicorn_limits, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(uvicorn_limits, "CHECK_EVERY", 0.05)


def is_flooded(gateway: str, beginning: bytes, endless: bytes) -> bool:
    """Whether the gateway goes on listening to what never ends, or keeps any of it."""
    before, end = resident(), monotonic() + SOON
    with dial(gateway) as caller, suppress(ConnectionError):
        caller.settimeout(SOON)
        caller.sendall(beginning)
        while monotonic() < end:
            caller.sendall(endless)
        return True
    return resident() - before > 16 * 1024 * 1024


@pytest.mark.parametrize(
    "padding", [b"X-A: %b\r\n" % (b"a" * MAX_HEADER_BYTES), b"X-A: b\r\n" * 8192]
)
@pytest.mark.parametrize("finished", [b"\r\n", b""])
def test_headers_that_are_too_large_are_refused(
    gateway: str, padding: bytes, finished: bytes
) -> None:
    response = speak(gateway, LIST + padding + finished)

    assert response.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"connection: close" in response


def test_too_many_headers_are_refused_before_they_are_sorted(gateway: str, token: str) -> None:
    lines = [f"X-{number}: a" for number in range(MAX_HEADERS)]

    response = speak(gateway, written("/gateway/v1/models", token, b"", *lines, method="GET"))
    fewer = speak(gateway, written("/gateway/v1/models", token, b"", *lines[:-4], method="GET"))

    assert response.startswith(b"HTTP/1.1 431 ")
    assert b"too_many_headers" in response
    assert fewer.startswith(b"HTTP/1.1 200 ")


def test_headers_just_below_the_limit_are_served(gateway: str, token: str) -> None:
    padding = "X-A: " + "a" * (MAX_HEADER_BYTES - 400)
    response = speak(gateway, written("/gateway/v1/models", token, b"", padding, method="GET"))

    assert response.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "beginning",
    [LIST + b"X-A: ", b"GET /", b"", TRAILERS % CHAT.encode(), TRAILERS % b"/login/"],
    ids=["header", "path", "method", "after a body", "after a page's body"],
)
def test_endless_headers_are_not_read(gateway: str, beginning: bytes) -> None:
    assert not is_flooded(gateway, beginning, b"a" * 65536)


def test_endless_lines_before_the_headers_are_not_read(gateway: str) -> None:
    assert not is_flooded(gateway, b"", b"\r\n" * 32768)


@pytest.mark.usefixtures("short_of_patience")
def test_unfinished_headers_time_out(gateway: str) -> None:
    with dial(gateway) as caller:
        be_answered(caller)
        caller.sendall(LIST)
        second = read_to_the_end(caller)

    assert second.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.usefixtures("short_of_patience")
def test_slow_headers_time_out(gateway: str) -> None:
    with dial(gateway) as caller:
        caller.settimeout(0.05)
        caller.sendall(LIST + b"X-A: ")
        response = eventually(lambda: drip(caller), seconds=SOON)

    assert response.startswith(b"HTTP/1.1 408 ")


@pytest.mark.usefixtures("short_of_patience")
@pytest.mark.parametrize("beginning", [b"", b"\r\n"])
def test_a_connection_without_a_request_is_closed(gateway: str, beginning: bytes) -> None:
    assert speak(gateway, beginning, seconds=SOON) == b""


@pytest.mark.usefixtures("short_of_patience")
def test_an_empty_line_after_a_response_does_not_keep_a_connection_open(gateway: str) -> None:
    with dial(gateway) as caller:
        be_answered(caller)
        caller.sendall(b"\r\n")

        assert read_to_the_end(caller) == b""


@pytest.mark.usefixtures("short_of_patience", "endpoint")
def test_a_request_in_progress_does_not_time_out(
    gateway: str, provider: Provider, token: str
) -> None:
    provider.next_responses(Response(chunks=[b"{", b"}"], pause=1))

    assert chat(gateway, token).status == 200
    assert ask(gateway, "/v1/models", token=token, method="GET").status == 200


def test_the_missing_body_of_a_page_times_out(
    gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limit, "BODY_SECONDS", 0.3)
    head = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"

    response = speak(gateway, head + b"username=", seconds=SOON)

    assert response.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in response
    assert b"Nothing was saved" in response


def test_a_websocket_is_refused_by_any_server() -> None:
    sent: list[dict[str, str]] = []

    async def send(message: dict[str, str]) -> None:
        sent.append(message)

    run(application({"type": "websocket", "path": "/"}, None, send))

    assert sent == [{"type": "websocket.close"}]


def be_answered(caller: socket.socket) -> None:
    """Ask something, without a token, and keep the connection."""
    caller.settimeout(SOON)
    caller.sendall(LIST + b"\r\n")
    response = b""
    while not response.endswith(b"}}"):
        response += caller.recv(65536)


def drip(caller: socket.socket) -> bytes:
    caller.sendall(b"a")
    try:
        return caller.recv(100)
    except TimeoutError:
        return b""


def test_an_idle_connection_is_kept_longer_than_clients_wait(gateway: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(gateway).netloc, timeout=10)
    connection.auto_open = False
    connection.connect()
    for pause in (0, 5.2):  # uvicorn's own limit is 5 seconds
        sleep(pause)
        connection.request("GET", "/gateway/v1/models")
        assert connection.getresponse().read()
    connection.close()
