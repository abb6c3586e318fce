"""The client for requests to providers, when there is no response."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from endpoints.gateway.upstream.aiohttp_client import AiohttpUpstream
from endpoints.gateway.upstream.client import Request, TimedOut, Unreachable
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import chat
from .event_loops import run


@pytest.fixture
def deaf(settings: Any) -> Iterator[str]:
    """The URL of a server that takes up no connection: those that wait for it fill its queue."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def send(url: str) -> None:
    upstream = AiohttpUpstream(connect_seconds=0.3)
    try:
        await upstream.send(Request("GET", url, [], b""))
    finally:
        await upstream.close()


def test_a_connection_that_does_not_come_about_is_a_time_out(deaf: str) -> None:
    with pytest.raises(TimedOut):
        run(send(deaf))


def test_a_closed_port_is_none(settings: Any) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(Unreachable) as raised:
        run(send(url))

    assert not isinstance(raised.value, TimedOut)


def response(text: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


class Talkative:
    """A provider that may say something that it was not asked; ``accepted`` are its connections."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.accepted: list[socket.socket] = []

    def answer(self, text: bytes, *, on_new_connection: bool) -> None:
        if on_new_connection:
            connection, _ = self.listener.accept()
            connection.settimeout(5)
            self.accepted.append(connection)
        asked = self.accepted[-1].recv(65536)
        assert asked.startswith(b"GET / HTTP/1.1\r\n"), asked
        self.accepted[-1].sendall(response(text))

    def say(self, unasked: bytes) -> None:
        self.accepted[-1].sendall(unasked)

    def sees_it_closed(self) -> bool:
        try:
            return self.accepted[-1].recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def talkative(settings: Any) -> Iterator[Talkative]:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    provider = Talkative()
    yield provider
    for open_socket in (provider.listener, *provider.accepted):
        open_socket.close()


async def ask(upstream: AiohttpUpstream, provider: Talkative, text: bytes, *, new: bool) -> None:
    async def body() -> bytes:
        answer = await upstream.send(Request("GET", provider.url, [], b""))
        try:
            return b"".join([chunk async for chunk in answer.chunks()])
        finally:
            answer.close()

    answering = asyncio.to_thread(provider.answer, text, on_new_connection=new)
    _, received = await asyncio.gather(answering, body())
    assert received == text


UNASKED = [response(b"injected"), response(b"1") + response(b"2"), b"\r\n", b"HTTP/1.1 100 C", b"x"]


@pytest.mark.parametrize("unasked", UNASKED)
def test_unexpected_bytes_close_an_idle_connection(talkative: Talkative, unasked: bytes) -> None:
    async def three_times() -> None:
        upstream = AiohttpUpstream(connect_seconds=5)
        for text in (b"first", b"second", b"third"):
            await ask(upstream, talkative, text, new=True)
            talkative.say(unasked)
            assert await asyncio.to_thread(talkative.sees_it_closed)
        await upstream.close()

    run(three_times())

    assert len(talkative.accepted) == 3


@pytest.mark.parametrize("unasked", UNASKED)
def test_bytes_that_have_not_been_read_yet_are_no_response_to_the_next_request(
    talkative: Talkative, unasked: bytes
) -> None:
    async def three_times() -> None:
        upstream = AiohttpUpstream(connect_seconds=5)
        for text in (b"first", b"second", b"third"):
            await ask(upstream, talkative, text, new=True)
            talkative.say(unasked)  # the loop has no chance to read it before the next request
        await upstream.close()

    run(three_times())

    assert len(talkative.accepted) == 3


def test_an_idle_connection_is_used_again(talkative: Talkative) -> None:
    async def three_times() -> None:
        upstream = AiohttpUpstream(connect_seconds=5)
        for text in (b"first", b"second", b"third"):
            await ask(upstream, talkative, text, new=text == b"first")
        await upstream.close()

    run(three_times())

    assert len(talkative.accepted) == 1


def test_an_application_gets_504(
    settings: Any, deaf: str, gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    settings.GATEWAY_CONNECT_SECONDS = 0.3
    make_endpoint("search", key_at(url=deaf))

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (504, "provider_timeout")
