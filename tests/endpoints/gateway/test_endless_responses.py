"""Providers that never come to the point: 1xx responses, headers, trailers without end."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import IncompleteRead

import pytest

from endpoints.gateway.upstream.aiohttp_client import MAX_INTERIM, PIECE, Connection
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import chat
from .event_loops import run

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BEFORE = {
    "100": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"),
    "unknown 1xx": (b"", b"HTTP/1.1 142 Hm\r\n\r\n"),
    "empty lines": (b"", b"\r\n" * 1000),
    "reason": (b"HTTP/1.1 200 ", b"O" * 1000),
    "headers": (OK, b"X-A: b\r\n" * 1000),
    "headers of a 103": (b"HTTP/1.1 103 Hm\r\n", b"X-A: b\r\n" * 1000),
    "header name": (OK, b"x" * 1000),
    "header value": (OK + b"X-A: ", b"b" * 1000),
}
WITHIN = {
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-A: b\r\n" * 1000),
    "trailer value": (CHUNKED + b"2\r\n{}\r\n0\r\nX-A: ", b"b" * 1000),
    "chunk extension": (CHUNKED + b"2\r\n{}\r\n2;", b"a" * 1000),
    "no chunk size": (CHUNKED + b"2\r\n{}\r\n", b"Z" * 1000),
    "zeros of a chunk size": (CHUNKED + b"2\r\n{}\r\n", b"0" * 1000),
}


@contextmanager
def endless(begin: bytes, again: bytes) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Serve one request with ``begin`` and then ``again`` until it is closed. Yield the URL, and a
    function that returns whether it was."""
    listener = socket.create_server(("127.0.0.1", 0))
    closed = threading.Event()

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(begin)
            try:
                while again:
                    client.sendall(again * (1 + 65536 // len(again)))
            except OSError:
                closed.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: closed.wait(20)
    thread.join(20)


@pytest.mark.parametrize("parts", BEFORE.values(), ids=BEFORE)
def test_a_response_that_never_begins_is_a_502(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint, parts: tuple[bytes, bytes]
) -> None:
    with endless(*parts) as (url, was_closed):
        make_endpoint("search", key_at(url=url))

        answer = chat(gateway, token)

        assert (answer.status, answer.code) == (502, "provider_unreachable")
        assert was_closed()


@pytest.mark.parametrize("parts", WITHIN.values(), ids=WITHIN)
def test_a_response_that_never_ends_is_broken_off(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint, parts: tuple[bytes, bytes]
) -> None:
    """The status is a 502, unless the first part of the body was passed on before the rest came."""
    with endless(*parts) as (url, was_closed):
        make_endpoint("search", key_at(url=url))

        with suppress(IncompleteRead):
            answer = chat(gateway, token)
            assert answer.status == 502
            assert answer.code in ("provider_unreachable", "provider_broke_off")
        assert was_closed()


@pytest.mark.parametrize("count", [1, MAX_INTERIM])
def test_some_interim_responses_are_skipped(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint, count: int
) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * count
    body = b'{"choices":[]}' + b" " * 300_000
    final = OK + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    with endless(interim + final + body, b"") as (url, _):
        make_endpoint("search", key_at(url=url))

        answer = chat(gateway, token)

    assert (answer.status, answer.body) == (200, body)


def test_a_burst_of_interim_responses_is_parsed_no_further_than_the_limit() -> None:
    """What one read brings is parsed in one turn of the event loop."""
    interim = b"HTTP/1.1 100 C\r\n\r\n"

    async def parsed() -> int:
        parsed = 0

        class Counting(Connection):
            def feed_data(self, data: object, size: int = 0) -> None:
                nonlocal parsed
                parsed += 1
                super().feed_data(data, size)

        connection = Counting(asyncio.get_running_loop())
        connection.set_response_params()
        connection.data_received(interim * 15_000)
        return parsed

    assert MAX_INTERIM < run(parsed()) <= PIECE // len(interim) + 1
