"""Connections to providers that are used again, and the moment at which a provider closes them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from endpoints.gateway.upstream import aiohttp_client
from endpoints.gateway.upstream.aiohttp_client import AiohttpUpstream
from endpoints.gateway.upstream.client import Request, ResponseBroken, Unreachable

from .event_loops import run

# What a provider does with the request of this number on this connection, both from 0.
Serve = Callable[[asyncio.StreamWriter, int, int], Awaitable[None]]


class ClosingProvider:
    """A provider that may close a connection instead of responding; it counts what it received."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.connections = 0
        self.requests = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, self.connections = self.connections, self.connections + 1
        number = 0
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(len(BODY))
                self.requests += 1
                await self.serve(writer, connection, number)
                number += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


BODY = b'{"model":"m"}'


async def respond(writer: asyncio.StreamWriter, headers: str = "") -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{headers}\r\nok".encode())
    await writer.drain()


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[tuple[ClosingProvider, Callable[[], Any]]]:
    """Serve on loopback, and yield the provider and a function that sends one POST."""
    provider = ClosingProvider(serve)
    server = await asyncio.start_server(provider.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    upstream = AiohttpUpstream(connect_seconds=5)

    async def post() -> bytes:
        response = await upstream.send(Request("POST", url, [], BODY))
        try:
            return b"".join([chunk async for chunk in response.chunks()])
        finally:
            response.close()

    try:
        yield provider, post
    finally:
        await upstream.close()
        server.close()


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]


@pytest.mark.parametrize("abort", [False, True], ids=["closed", "reset"])
def test_a_request_that_meets_a_closing_connection_is_sent_once_more(abort: bool) -> None:
    async def one_each(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        if number == 0:
            await respond(writer)
        elif abort:
            writer.transport.abort()
        else:
            writer.close()

    async def main() -> tuple[list[bytes], ClosingProvider]:
        async with served(one_each) as (provider, post):
            return [await post() for _ in range(5)], provider

    bodies, provider = run(main())

    assert bodies == [b"ok"] * 5
    assert (provider.connections, provider.requests) == (5, 9)  # each but the first was sent twice


def test_it_is_sent_on_a_new_connection_even_if_others_are_idle() -> None:
    ready = asyncio.Event()

    async def three_then_none(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        if number == 0:
            if connection < 3:
                await ready.wait()
            await respond(writer)
        else:
            writer.close()

    async def main() -> tuple[list[bytes], ClosingProvider]:
        async with served(three_then_none) as (provider, post):
            waiting = [asyncio.create_task(post()) for _ in range(3)]
            while provider.connections < 3:
                await asyncio.sleep(0.01)
            ready.set()
            await asyncio.gather(*waiting)
            return [await post()], provider

    bodies, provider = run(main())

    assert bodies == [b"ok"]
    assert (provider.connections, provider.requests) == (4, 5)


def test_a_new_connection_that_is_closed_is_not_tried_again() -> None:
    async def close(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        writer.close()

    async def main() -> ClosingProvider:
        async with served(close) as (provider, post):
            with pytest.raises(Unreachable, match="connection closed"):
                await post()
            return provider

    assert run(main()).requests == 1


def test_a_request_that_was_worked_on_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A balancer that gives up on its server closes a connection in the same way, but later: the
    request may be billed."""
    monkeypatch.setattr(aiohttp_client, "CLOSING_SECONDS", 0.1)

    async def give_up(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        if number == 0:
            await respond(writer)
        else:
            await asyncio.sleep(0.3)
            writer.close()

    async def main() -> ClosingProvider:
        async with served(give_up) as (provider, post):
            await post()
            with pytest.raises(Unreachable, match="connection closed"):
                await post()
            return provider

    assert run(main()).requests == 2


def test_a_response_that_has_begun_is_not_asked_for_again() -> None:
    async def half(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        if number == 0:
            await respond(writer)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
            await writer.drain()
            writer.close()

    async def main() -> ClosingProvider:
        async with served(half) as (provider, post):
            await post()
            with pytest.raises(ResponseBroken):
                await post()
            return provider

    assert run(main()).requests == 2


def test_a_provider_that_announces_when_it_closes_is_asked_on_a_new_connection_by_then() -> None:
    async def two_seconds(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        await respond(writer, "Keep-Alive: max=100, timeout=2\r\n")

    async def main() -> ClosingProvider:
        async with served(two_seconds) as (provider, post):
            await post()
            await post()
            assert provider.connections == 1
            await asyncio.sleep(1.1)
            await post()
            return provider

    assert run(main()).connections == 2


@pytest.mark.parametrize(("announced", "connections"), [("", 2), ("Keep-Alive: timeout=75\r\n", 1)])
def test_an_idle_connection_is_kept_for_4_seconds_or_as_long_as_announced(
    announced: str, connections: int
) -> None:
    async def announce(writer: asyncio.StreamWriter, connection: int, number: int) -> None:
        await respond(writer, announced)

    async def main() -> ClosingProvider:
        async with served(announce) as (provider, post):
            await post()
            await asyncio.sleep(4.2)
            await post()
            return provider

    assert run(main()).connections == connections
