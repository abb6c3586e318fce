"""uvicorn's HTTP/1.1 protocol with limits of our own, and one response for each request.

uvicorn itself sets no limit on the size or duration of request headers, parses the body of a
request with an ``Upgrade`` header as the next request, and closes idle connections after 5 seconds,
which is when httpx uses them again. It takes this class with
``--http gatewayproject.server.uvicorn_limits:Protocol``.
"""

import asyncio
import select
import socket
from collections import deque
from contextlib import suppress
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

import gatewayproject.wsgi  # noqa: F401 - uvicorn's workers load this before the application

# These need Django's apps, which the line above has made ready.
from endpoints.gateway.http.body_reader import LINGER_SECONDS
from endpoints.gateway.http.exchange import Exchange
from endpoints.gateway.http.headers import sort_request_headers
from endpoints.gateway.http.problems import Problem, Refusal

MAX_HEADER_BYTES = 64 * 1024  # bytes
MAX_PIPELINED = 100  # requests of a connection that wait for the one being answered
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # of Linux, where Python has no name
MAX_UNSENT = 128 * 1024  # bytes that the kernel keeps for a client that does not read
HEADER_SECONDS = 30  # for a client to send all headers
KEEP_ALIVE_SECONDS = 75  # at least: as long as nginx, and longer than SDKs keep idle connections
CHECK_EVERY = 5  # seconds: how late that may be noticed
DIALECT_HEADERS = (b"x-api-key", b"x-goog-api-key", b"anthropic-version")


class TooManyPipelined(Exception):
    """A client sent more requests ahead than we queue."""


class Pipeline(deque[tuple[Any, Any]]):
    """The requests of a connection that wait, the newest on the left."""

    def appendleft(self, item: tuple[Any, Any]) -> None:
        if len(self) >= MAX_PIPELINED:
            raise TooManyPipelined
        super().appendleft(item)


class Protocol(HttpToolsProtocol):
    """Refuses headers that are too large (431) or too slow (408), and closes silent connections.

    ``Upgrade`` is ignored (RFC 9110, section 7.8): the body is read and the request served. Only a
    WebSocket handshake gets a 426. After what cannot be parsed, nothing else is parsed.

    This is on the way of every request: nothing is counted for one that arrives in one piece, and
    there is one timer for a connection, however many requests it brings.
    """

    _counted: Any = None  # the scope of the request whose headers are counted
    _unfinished = 0  # bytes
    _brought_body = False
    _awaited: Any = None  # the scope at the last check
    _since = 0.0  # the loop's time
    _next_check: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        with suppress(OSError):  # a Unix socket
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, MAX_UNSENT
            )
        self.timeout_keep_alive = max(self.timeout_keep_alive, KEEP_ALIVE_SECONDS)
        self.pipeline = Pipeline()
        self._since = self.loop.time()
        self._next_check = self.loop.call_later(CHECK_EVERY, self._check_progress)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_check.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close an idle connection when the server stops, unless a request is just arriving: a
        client that has sent one cannot tell whether it was served."""
        if self.cycle is None or (self.cycle.response_complete and self._has_unread_data()):
            self.loop.call_later(LINGER_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _has_unread_data(self) -> bool:
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    def data_received(self, data: bytes) -> None:
        if len(data) > MAX_HEADER_BYTES:
            self._receive_in_pieces(data)
            return
        if self.parser is None:  # what came before could not be parsed, or ends the connection
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade()
            self.data_received(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse(400)
            return
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

    def _should_upgrade(self) -> bool:
        """Whether uvicorn should leave a request with ``Upgrade`` to us: always."""
        return True

    def _ignore_upgrade(self) -> None:
        """Parse the headers again without ``Upgrade``, which makes the parser skip the body."""
        version = self.parser.get_http_version()
        method, wanted = self.scope["method"], b""
        if method == "CONNECT":  # has no body, and what follows is in another protocol
            self._refuse(405)
            return
        lines = [b"%b %b HTTP/%b" % (method.encode(), self.url, version.encode())]
        for name, value in self.headers:
            if name == b"upgrade":
                wanted += b"," + value.lower()
            else:
                lines.append(name + b": " + value)
        is_handshake = method == "GET" and b"websocket" in map(bytes.strip, wanted.split(b","))
        self.parser = httptools.HttpRequestParser(self)
        self.app = refuse_websocket if is_handshake else self.config.loaded_app
        try:
            self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))
        except httptools.HttpParserError:
            self._refuse(400)
            return
        finally:
            self.app = self.config.loaded_app
        if is_handshake:  # what follows may be WebSocket already
            self._serve_no_more()

    def _receive_in_pieces(self, data: bytes) -> None:
        """Headers that are too large are not complete after one piece, so each is noticed."""
        for start in range(0, len(data), MAX_HEADER_BYTES):
            if self.transport.is_closing():
                return
            self.data_received(data[start : start + MAX_HEADER_BYTES])

    def _count(self, size: int) -> None:
        """Count what completed neither headers nor a part of a body: parts of headers, or of the
        trailers of a chunked body. The parser keeps all of them."""
        if self._brought_body:
            self._brought_body, self._unfinished = False, 0
            return
        if self._counted is not self.scope:
            self._counted, self._unfinished = self.scope, 0
        self._unfinished += size
        if self._unfinished >= MAX_HEADER_BYTES:
            self._refuse(431)

    def _check_progress(self) -> None:
        """Close a connection that has waited too long for the same headers, or for any."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_kept_alive = self.timeout_keep_alive_task is not None  # uvicorn's own timer counts
        if is_answering or is_kept_alive or self._awaited is not self.scope:
            self._awaited, self._since = self.scope, now
        elif now - self._since >= HEADER_SECONDS:
            self._refuse(408)
            return
        self._next_check = self.loop.call_later(CHECK_EVERY, self._check_progress)

    def _refuse(self, status: int) -> None:
        """Respond with ``status`` to the request being received, in its turn, and close."""
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        is_new = cycle is None or cycle.scope is not self.scope
        if not is_answering:
            has_begun = self.scope is not None and is_new
            if has_begun or (status == 400 and (is_new or not cycle.more_body)):
                self._respond(status)
            else:
                self.transport.close()
        elif is_new or not cycle.more_body:  # it came after a whole request
            self._serve_no_more()
        elif self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline[0] = (cycle, refuse_bad_request)
            self._serve_no_more()
        elif self.pipeline:  # too many to queue this one
            self.pipeline[0][0].keep_alive = False
            self.parser = None  # type: ignore[assignment]
        elif cycle.response_started:
            self.transport.close()
        else:
            self._respond(status)

    def _serve_no_more(self) -> None:
        """Close after the response to the last request, and parse nothing that follows it."""
        self.cycle.keep_alive = False
        self.parser = None  # type: ignore[assignment]

    def _respond(self, status: int) -> None:
        transport = self.transport
        transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        # Read on for a moment and discard, as ``skip_rest`` does.
        transport.set_protocol(asyncio.Protocol())
        self.connection_lost(ConnectionAbortedError())
        self.loop.call_later(LINGER_SECONDS, transport.close)


async def refuse_websocket(scope: Any, receive: Any, send: Any) -> None:
    """Respond 426: the gateway has no WebSocket, and a library for it would log the token."""
    headers = [item for item in scope["headers"] if item[0] in DIALECT_HEADERS]
    dialect = sort_request_headers(headers).dialect
    exchange = Exchange(scope["method"], receive, send, dialect=dialect)
    await exchange.refuse(Refusal(Problem.WEBSOCKET_NOT_SUPPORTED))


async def refuse_bad_request(scope: Any, receive: Any, send: Any) -> None:
    """Respond 400 to a queued request whose body could not be parsed."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body"})
