"""One HTTP/1.1 connection to the simulated provider, on asyncio and llhttp."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, cast

import httptools

from .dialects import MALFORMED
from .http_response import Response

MAX_PIPELINED = 32  # requests read before their responses are written


class RawRequest(NamedTuple):
    """A complete request. ``header_list`` is as sent; ``headers`` has lower-case names."""

    method: str
    target: bytes
    header_list: list[tuple[bytes, bytes]]
    headers: Mapping[bytes, bytes]
    body: bytes


class Owner(Protocol):
    """What a connection needs of the provider."""

    connections: set["Connection"]
    aborted: int

    def respond(self, request: RawRequest, /) -> Response: ...


class Pending(NamedTuple):
    """A response that waits for the responses before it on the connection."""

    response: Response
    keep_alive: bool = False
    can_chunk: bool = True
    headers_only: bool = False

    def writes(self) -> Iterator[bytes]:
        return self.response.writes(
            keep_alive=self.keep_alive, can_chunk=self.can_chunk, headers_only=self.headers_only
        )


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.parser = httptools.HttpRequestParser(self)
        self.pending: deque[Pending] = deque()
        self.writer: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.is_receiving = False
        self.reset_request()

    def reset_request(self) -> None:
        self.target = b""
        self.header_list: list[tuple[bytes, bytes]] = []
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.owner.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count requests without a complete response: pending, partly written, or incomplete."""
        self.owner.connections.discard(self)
        self.owner.aborted += len(self.pending) + self.is_receiving
        self.pending.clear()
        self.writable.set()
        if self.writer:
            self.writer.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    # The request

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.ignore_upgrade()
            self.data_received(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:  # our bug: let asyncio log it
            raise
        except httptools.HttpParserError:
            self.is_receiving = False
            self.enqueue(Pending(MALFORMED))
            self.transport.pause_reading()

    def on_message_begin(self) -> None:
        self.reset_request()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.header_list.append((name, value))
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.is_receiving = True
        if self.headers.get(b"expect") == b"100-continue" and not self.pending:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def ignore_upgrade(self) -> None:
        """Parse the headers again without ``Upgrade``, which makes the parser skip the body."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        headers = [b"%b: %b" % pair for pair in self.header_list if pair[0].lower() != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        start = b"%b %b HTTP/%b" % (method, self.target, version)
        self.parser.feed_data(b"\r\n".join([start, *headers, b"", b""]))

    def on_message_complete(self) -> None:
        self.is_receiving = False
        parser = self.parser
        if parser.should_upgrade():
            return
        method = parser.get_method().decode()
        response = self.owner.respond(
            RawRequest(method, self.target, self.header_list, self.headers, b"".join(self.body))
        )
        keep_alive = parser.should_keep_alive()
        is_http_1_1 = parser.get_http_version() == "1.1"
        is_simple = keep_alive and is_http_1_1 and method != "HEAD"
        is_next = not self.pending and self.writable.is_set()
        if is_simple and is_next and response.complete is not None:
            self.transport.write(response.complete)
        else:
            self.enqueue(Pending(response, keep_alive, is_http_1_1, method == "HEAD"))

    # Responses, in the order of the requests

    def enqueue(self, pending: Pending) -> None:
        self.pending.append(pending)
        if self.writer is None:
            self.writer = asyncio.get_running_loop().create_task(self.write_all())
        if len(self.pending) > MAX_PIPELINED:
            self.transport.pause_reading()

    async def write_all(self) -> None:
        while self.pending:
            first = self.pending[0]
            await self.write(first)
            if not self.pending:
                return
            self.pending.popleft()
            if first.response.close or not first.keep_alive:
                self.pending.clear()
                self.transport.close()
                return
            if len(self.pending) == MAX_PIPELINED:
                self.transport.resume_reading()
        self.writer = None

    async def write(self, pending: Pending) -> None:
        response = pending.response
        if response.delay:
            await asyncio.sleep(response.delay)
        for number, data in enumerate(pending.writes()):
            if number and response.pause:
                await asyncio.sleep(response.pause)
            self.transport.write(data)
            await self.writable.wait()
        if response.stall:
            await asyncio.Event().wait()
