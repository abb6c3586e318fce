"""Names that no server answers for: they delay no connection to another provider."""

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop

from endpoints.gateway.upstream.aiohttp_client import AiohttpUpstream
from endpoints.gateway.upstream.client import Request, TimedOut, Unreachable

CONNECT_SECONDS = 2


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """A name server that does not answer for names under .silent; the network is not asked."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    ask, end = socket.getaddrinfo, threading.Event()

    def wait_or_ask(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".silent"):
            end.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ask(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", wait_or_ask)
    yield
    end.set()


async def get(upstream: AiohttpUpstream, url: str) -> int:
    response = await upstream.send(Request("GET", url, [], b""))
    response.close()
    return response.status


async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


def test_six_names_without_an_answer_leave_a_healthy_provider_alone(silent_names: None) -> None:
    async def main() -> list[int]:
        upstream = AiohttpUpstream(CONNECT_SECONDS)
        server = await asyncio.start_server(healthy, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        dead = [
            asyncio.create_task(get(upstream, f"http://name-{number}.silent/"))
            for number in range(6)
        ]
        await asyncio.sleep(0.1)
        statuses = [await get(upstream, url) for _ in range(12)]
        assert not any(task.done() for task in dead)
        errors = await asyncio.gather(*dead, return_exceptions=True)
        assert [type(error) for error in errors] == [TimedOut] * 6
        await upstream.close()
        server.close()
        return statuses

    assert run_on_uvloop(main()) == [200] * 12


def test_a_lookup_takes_no_longer_than_a_connection_may(silent_names: None) -> None:
    async def main() -> float:
        upstream = AiohttpUpstream(0.3)
        started = time.monotonic()
        with pytest.raises(TimedOut, match="no response in time"):
            await get(upstream, "http://one.silent/")
        taken = time.monotonic() - started
        await upstream.close()
        return taken

    assert run_on_uvloop(main()) < 2


def test_a_name_that_does_not_exist_is_no_time_out(settings: Any) -> None:
    async def main() -> None:
        upstream = AiohttpUpstream(CONNECT_SECONDS)
        with pytest.raises(Unreachable, match="no public address found"):
            await get(upstream, "http://no-such-name.invalid./")
        await upstream.close()

    run_on_uvloop(main())


def run_on_uvloop(main: Coroutine[Any, Any, Any]) -> Any:
    """Run ``main`` in a thread of its own, on the event loop that uvicorn chooses."""

    def run() -> Any:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()
