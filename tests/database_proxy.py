"""A TCP proxy in front of PostgreSQL, which counts round trips and can be silent."""

import re
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection

_STATEMENT = re.compile(
    rb"(?:Q|P)[^A-Z]{4,40}((?:SELECT|INSERT|UPDATE|DELETE|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE"
    rb"|SET|SHOW)[^\0]*)\0"
)


class DatabaseProxy:
    """Relays to PostgreSQL at ``port``. Everything runs in one thread."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0  # messages of a client after which it waited for the server
        self.statements: list[str] = []
        self.accepted = 0  # connections
        self.is_silent = False  # takes what clients send, and passes nothing on
        self.silent_connections: set[int] = set()  # the same, for some: the first is 1
        self._is_over = False
        self._wakeup, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_over = True
        self._wakeup.send(b"x")
        self._thread.join(10)
        for each in (self._listener, self._wakeup, self._woken):
            each.close()

    def cut(self) -> None:
        """Reset every connection that is open."""
        for each in tuple(self._peers):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        self._peers: dict[socket.socket, socket.socket] = {}
        self._numbers: dict[socket.socket, int] = {}
        self._asking: dict[int, bool] = {}
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._is_over:
                for key, _ in selector.select():
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                        self._relay(selector, key.fileobj)
            for each in self._peers:
                each.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._target)
        self.accepted += 1
        self._peers |= {client: server, server: client}
        self._numbers |= {client: self.accepted, server: -self.accepted}
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(each, selectors.EVENT_READ)

    def _relay(self, selector: selectors.BaseSelector, source: socket.socket) -> None:
        peer, number = self._peers[source], self._numbers[source]
        try:
            data = source.recv(1 << 20)
            if data and not self.is_silent and abs(number) not in self.silent_connections:
                self._count(number, data)
                peer.sendall(data)
        except OSError:
            data = b""
        if not data:
            for each in (source, peer):
                selector.unregister(each)
                each.close()
                del self._peers[each], self._numbers[each]

    def _count(self, number: int, data: bytes) -> None:
        if number < 0:
            self._asking[-number] = False
            return
        if not self._asking.get(number):
            self.round_trips += 1
        self._asking[number] = True
        self.statements += [found.decode() for found in _STATEMENT.findall(data)]

    def reset_counts(self) -> None:
        self.round_trips, self.statements = 0, []


@contextmanager
def database_proxy() -> Iterator[DatabaseProxy]:
    """A proxy in front of the database of the tests."""
    server = connection.get_connection_params()
    proxy = DatabaseProxy(server["host"], int(server.get("port") or 5432))
    try:
        yield proxy
    finally:
        proxy.close()


def parameters_through(proxy: DatabaseProxy) -> dict[str, Any]:
    """Return the parameters of a connection through ``proxy``."""
    parameters = {**connection.get_connection_params(), "sslmode": "disable"}
    return {**parameters, "host": "127.0.0.1", "port": proxy.port}
