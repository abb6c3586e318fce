"""What strangers may send before anybody answers: a small head, and a page's body, in time."""

import socket
from contextlib import suppress
from time import monotonic

import pytest

from gatewayproject import heads, intake
from gatewayproject.asgi import application
from gatewayproject.demo.provider import Answer, Provider
from gatewayproject.heads import MAX_HEAD

from .asking import ask, chat, dial, eventually, read_to_the_end, speak, written
from .loops import run
from .test_provider_troubles import resident

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
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(heads, "LOOK_EVERY", 0.05)


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


@pytest.mark.parametrize("padding", [b"X-A: %b\r\n" % (b"a" * MAX_HEAD), b"X-A: b\r\n" * 8192])
@pytest.mark.parametrize("finished", [b"\r\n", b""])
def test_a_head_that_is_too_large_is_refused(gateway: str, padding: bytes, finished: bytes) -> None:
    told = speak(gateway, LIST + padding + finished)

    assert told.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"connection: close" in told


def test_a_head_of_almost_the_limit_is_served(gateway: str, token: str) -> None:
    padding = "X-A: " + "a" * (MAX_HEAD - 400)
    told = speak(gateway, written("/gateway/v1/models", token, b"", padding, method="GET"))

    assert told.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "beginning",
    [LIST + b"X-A: ", b"GET /", b"", TRAILERS % CHAT.encode(), TRAILERS % b"/login/"],
    ids=["header", "path", "method", "after a body", "after a page's body"],
)
def test_a_head_without_end_is_not_taken_in(gateway: str, beginning: bytes) -> None:
    assert not is_flooded(gateway, beginning, b"a" * 65536)


def test_lines_without_end_before_a_head_are_not_taken_in(gateway: str) -> None:
    assert not is_flooded(gateway, b"", b"\r\n" * 32768)


@pytest.mark.usefixtures("short_of_patience")
def test_a_head_that_does_not_end_is_given_up(gateway: str) -> None:
    with dial(gateway) as caller:
        be_answered(caller)
        caller.sendall(LIST)
        second = read_to_the_end(caller)

    assert second.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.usefixtures("short_of_patience")
def test_a_head_that_drips_is_given_up(gateway: str) -> None:
    with dial(gateway) as caller:
        caller.settimeout(0.05)
        caller.sendall(LIST + b"X-A: ")
        told = eventually(lambda: drip(caller), seconds=SOON)

    assert told.startswith(b"HTTP/1.1 408 ")


@pytest.mark.usefixtures("short_of_patience")
@pytest.mark.parametrize("beginning", [b"", b"\r\n"])
def test_a_connection_that_begins_nothing_is_closed(gateway: str, beginning: bytes) -> None:
    assert speak(gateway, beginning, seconds=SOON) == b""


@pytest.mark.usefixtures("short_of_patience")
def test_an_empty_line_after_an_answer_keeps_no_connection_open(gateway: str) -> None:
    with dial(gateway) as caller:
        be_answered(caller)
        caller.sendall(b"\r\n")

        assert read_to_the_end(caller) == b""


@pytest.mark.usefixtures("short_of_patience", "endpoint")
def test_who_is_being_answered_may_take_longer(
    gateway: str, provider: Provider, token: str
) -> None:
    provider.next_answers(Answer(chunks=[b"{", b"}"], pause=1))

    assert chat(gateway, token).status == 200
    assert ask(gateway, "/v1/models", token=token, method="GET").status == 200


def test_the_body_of_a_page_that_does_not_come_is_not_waited_for(
    gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BODY_SECONDS", 0.3)
    head = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"

    told = speak(gateway, head + b"username=", seconds=SOON)

    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in told
    assert b"Nothing was saved" in told


@pytest.mark.parametrize("path", ["/", "/gateway/v1/models", "/gateway/search/v1/realtime"])
def test_a_web_socket_is_refused(gateway: str, token: str, path: str) -> None:
    upgrade = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]

    told = speak(gateway, written(path, token, b"", *upgrade, method="GET", close=False))

    assert told.startswith(b"HTTP/1.1 403 ")


def test_a_web_socket_is_refused_by_any_server() -> None:
    sent: list[dict[str, str]] = []

    async def send(message: dict[str, str]) -> None:
        sent.append(message)

    run(application({"type": "websocket", "path": "/"}, None, send))

    assert sent == [{"type": "websocket.close"}]


def be_answered(caller: socket.socket) -> None:
    """Ask something, without a token, and keep the connection."""
    caller.settimeout(SOON)
    caller.sendall(LIST + b"\r\n")
    told = b""
    while not told.endswith(b"}}"):
        told += caller.recv(65536)


def drip(caller: socket.socket) -> bytes:
    caller.sendall(b"a")
    try:
        return caller.recv(100)
    except TimeoutError:
        return b""
