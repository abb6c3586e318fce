"""One connection to the imitation provider: HTTP/1.1 on asyncio, read by llhttp."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, cast

import httptools

from gatewayproject.demo.answers import Answer
from gatewayproject.demo.dialects import MALFORMED

PIPELINED = 32  # requests read ahead of their answers


class Owner(Protocol):
    """The provider, as its connections see it."""

    connections: set["Connection"]
    aborted: int

    def answer_to(
        self,
        method: str,
        target: bytes,
        pairs: list[tuple[bytes, bytes]],
        headers: Mapping[bytes, bytes],
        body: bytes,
    ) -> Answer: ...


class Turn(NamedTuple):
    """An answer waiting until those before it on the connection are told."""

    answer: Answer
    keep_alive: bool = False
    can_chunk: bool = True
    head_only: bool = False

    def pieces(self) -> Iterator[bytes]:
        return self.answer.pieces(
            keep_alive=self.keep_alive, can_chunk=self.can_chunk, head_only=self.head_only
        )


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.parser = httptools.HttpRequestParser(self)
        self.turns: deque[Turn] = deque()
        self.telling: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.hearing = False
        self.forget_request()

    def forget_request(self) -> None:
        self.target = b""
        self.pairs: list[tuple[bytes, bytes]] = []
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.owner.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what was not answered in full: an answer half told, waiting, or half asked for."""
        self.owner.connections.discard(self)
        self.owner.aborted += len(self.turns) + self.hearing
        self.turns.clear()
        self.writable.set()
        if self.telling:
            self.telling.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    # The request

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.transport.close()
        except httptools.HttpParserCallbackError:  # ours to mend, so asyncio shall log it
            raise
        except httptools.HttpParserError:
            self.hearing = False
            self.take_turn(Turn(MALFORMED))
            self.transport.pause_reading()

    def on_message_begin(self) -> None:
        self.forget_request()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.hearing = True
        if self.headers.get(b"expect") == b"100-continue" and not self.turns:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.hearing = False
        parser = self.parser
        method = parser.get_method().decode()
        answer = self.owner.answer_to(
            method, self.target, self.pairs, self.headers, b"".join(self.body)
        )
        keep_alive = parser.should_keep_alive()
        is_modern = parser.get_http_version() == "1.1"
        is_simple = keep_alive and is_modern and method != "HEAD" and answer.wire is not None
        if is_simple and not self.turns and self.writable.is_set():
            self.transport.write(answer.wire)
        else:
            self.take_turn(Turn(answer, keep_alive, is_modern, method == "HEAD"))

    # The answers, in the order of the requests

    def take_turn(self, turn: Turn) -> None:
        self.turns.append(turn)
        if self.telling is None:
            self.telling = asyncio.get_running_loop().create_task(self.tell())
        if len(self.turns) > PIPELINED:
            self.transport.pause_reading()

    async def tell(self) -> None:
        while self.turns:
            turn = self.turns[0]
            await self.tell_one(turn)
            if not self.turns:
                return
            self.turns.popleft()
            if turn.answer.close or not turn.keep_alive:
                self.turns.clear()
                self.transport.close()
                return
            if len(self.turns) == PIPELINED:
                self.transport.resume_reading()
        self.telling = None

    async def tell_one(self, turn: Turn) -> None:
        answer = turn.answer
        if answer.delay:
            await asyncio.sleep(answer.delay)
        for at, piece in enumerate(turn.pieces()):
            if at and answer.pause:
                await asyncio.sleep(answer.pause)
            self.transport.write(piece)
            await self.writable.wait()
        if answer.stall:
            await asyncio.Event().wait()
