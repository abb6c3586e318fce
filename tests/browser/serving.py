"""Gatehouse as it is served: the real ASGI application, in a thread of the test's own process.

It writes down every exchange, so that a test can ask what exactly went over the wire.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from django.core.signals import request_started
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gatewayproject.asgi import application


@dataclass
class Exchange:
    """One request and its answer, byte for byte."""

    method: str
    target: str
    request_headers: list[tuple[bytes, bytes]]
    sent: bytearray = field(default_factory=bytearray)
    status: int = 0
    answer_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    answer: bytearray = field(default_factory=bytearray)


class Server:
    """Where Gatehouse is served, and what went to and fro there."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.exchanges: list[Exchange] = []
        self._connections: dict[int, BaseDatabaseWrapper] = {}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await application(scope, receive, send)
        query = scope["query_string"].decode()
        target = f"{scope['path']}?{query}" if query else scope["path"]
        exchange = Exchange(scope["method"], target, scope["headers"])
        self.exchanges.append(exchange)

        async def heard() -> Any:
            message = await receive()
            exchange.sent += message.get("body", b"")
            return message

        async def said(message: Any) -> None:
            exchange.status = message.get("status", exchange.status)
            exchange.answer_headers += message.get("headers", [])
            exchange.answer += message.get("body", b"")
            await send(message)

        return await application(scope, heard, said)

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """Serve until the block ends, then give the database's connections back."""
        config = uvicorn.Config(
            self,
            http="gatewayproject.server.uvicorn_limits:Protocol",
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        serve = server.serve(sockets=[self.socket])
        thread = threading.Thread(target=asyncio.run, args=[serve], daemon=True)
        request_started.connect(self._remember_connection)
        thread.start()
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            request_started.disconnect(self._remember_connection)
            for connection in self._connections.values():
                connection.inc_thread_sharing()  # it was opened in one of the server's threads
                connection.close()

    def _remember_connection(self, **kwargs: Any) -> None:
        self._connections[threading.get_ident()] = connections["default"]
