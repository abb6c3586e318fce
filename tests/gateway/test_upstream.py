"""The client towards providers, where nobody answers."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from endpoints.gateway.aiohttp_upstream import AiohttpUpstream
from endpoints.gateway.upstream import Request, TimedOut, Unreachable
from tests.conftest import MakeEndpoint

from .asking import chat
from .conftest import KeyAt
from .loops import run


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


def test_an_application_is_told_504(
    settings: Any, deaf: str, gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    settings.GATEWAY_CONNECT_SECONDS = 0.3
    make_endpoint("search", key_at(url=deaf))

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (504, "provider_timeout")
