"""uvicorn's HTTP/1.1 protocol with bounds to what strangers may send before anybody answers.

uvicorn itself lets the head of a request grow, and last, without end. It takes this class with
``--http gatewayproject.heads:Protocol``.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 64 * 1024  # bytes
HEAD_SECONDS = 30  # for a caller to send a whole head
LOOK_EVERY = 5  # seconds: how late that may be noticed
LINGER_SECONDS = 1


class Protocol(HttpToolsProtocol):
    """Refuses a head that is too large (431) or too slow (408), and closes silent connections.

    This is on the way of every request: nothing is counted for one that arrives in one piece, and
    there is one timer for a connection, however many requests it brings.
    """

    _head: Any = None  # what is counted belongs to the request of this scope
    _unfinished = 0  # bytes
    _brought_body = False
    _awaited: Any = None  # the scope that was there at the last look
    _since = 0.0  # the loop's time
    _next_look: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._next_look = self.loop.call_later(LOOK_EVERY, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if len(data) > MAX_HEAD:
            self._receive_in_pieces(data)
            return
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope or cycle.more_body:
            self._count(len(data))

    def on_body(self, body: bytes) -> None:
        self._brought_body = True
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Fields that follow a body are no headers, which a proxy in front may have checked.
        Source: RFC 9110, section 6.5.1."""
        self.headers = []

    def handle_websocket_upgrade(self) -> None:
        """Nothing here speaks WebSocket, and uvicorn's library for it would log the token."""
        self._refuse(403)

    def _receive_in_pieces(self, data: bytes) -> None:
        """No head that is too large is whole after its first piece, so each is noticed."""
        for start in range(0, len(data), MAX_HEAD):
            if self.parser is None or self.transport.is_closing():
                return
            self.data_received(data[start : start + MAX_HEAD])

    def _count(self, size: int) -> None:
        """Count what brought neither a whole head nor a body: parts of a head, or of the fields
        that may follow a body in chunks. The parser keeps all of them."""
        if self._brought_body:
            self._brought_body, self._unfinished = False, 0
            return
        if self._head is not self.scope:
            self._head, self._unfinished = self.scope, 0
        self._unfinished += size
        if self._unfinished >= MAX_HEAD:
            self._refuse(431)

    def _look(self) -> None:
        """End a connection on which the same head, or none at all, has been awaited for long."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        if self._is_busy() or self._awaited is not self.scope:
            self._awaited, self._since = self.scope, now
        elif now - self._since >= HEAD_SECONDS:
            self._refuse(408)
            return
        self._next_look = self.loop.call_later(LOOK_EVERY, self._look)

    def _is_busy(self) -> bool:
        """Whether a request is being answered, or uvicorn's own timer waits for the next one."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        return is_answering or self.timeout_keep_alive_task is not None

    def _refuse(self, status: int) -> None:
        """Say why, where a head has begun and nobody else is being answered, and hang up."""
        has_begun = self.scope is not None and (
            self.cycle is None or self.cycle.scope is not self.scope
        )
        if self._is_busy() or not has_begun:
            self.transport.close()
            return
        transport = self.transport
        transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        # Read on for a moment, into nothing. A connection that is closed over what nobody read is
        # reset, and its caller may never see the answer. Source: RFC 9112, section 9.6.
        transport.set_protocol(asyncio.Protocol())
        self.connection_lost(ConnectionAbortedError())
        self.loop.call_later(LINGER_SECONDS, transport.close)
