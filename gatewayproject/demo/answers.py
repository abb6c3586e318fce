"""What the imitation provider sends, and the bytes it becomes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

INPUT_TOKENS = 11  # all of the prompt, the cached part included
OUTPUT_TOKENS = 7
CACHED_TOKENS = 3
UNCACHED_TOKENS = INPUT_TOKENS - CACHED_TOKENS  # what Anthropic and Bedrock call input tokens

PIECE = 64 * 1024  # bytes handed to the socket at once


Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """One answer told in advance; times are in seconds.

    ``chunks`` travel chunked, ``pause`` apart, unless ``headers`` declare a content-length; ``raw``
    replaces the whole answer, head included. ``stall`` and ``close`` say what follows the last byte
    given here, in place of a proper end: silence, or a closed connection.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    chunks: Sequence[bytes] | None = None
    raw: bytes | None = None
    delay: float = 0
    pause: float = 0
    stall: bool = False
    close: bool = False

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        given = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        pairs = tuple(given)
        named = {name.lower() for name, _ in pairs}
        return pairs if "content-type" in named else (*pairs, ("content-type", "application/json"))

    @cached_property
    def is_framed(self) -> bool:
        """Whether the headers already say where the body ends."""
        return any(
            name.lower() in ("content-length", "transfer-encoding") for name, _ in self.pairs
        )

    @cached_property
    def wire(self) -> bytes | None:
        """The whole answer for a connection that stays open; None if it must be told in steps."""
        stepwise = self.delay or self.stall or self.close or self.raw is not None
        sent = self.chunks if self.chunks is not None else [self.body]
        if stepwise or (self.pause and self.chunks) or sum(map(len, sent)) > PIECE:
            return None
        return b"".join(self.pieces())

    def head(self, *, keep_alive: bool = True, can_chunk: bool = True) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {reason(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.pairs]
        if not self.is_framed:
            if self.chunks is None:
                lines += [f"content-length: {len(self.body)}"] if has_body(self.status) else []
            elif can_chunk:
                lines.append("transfer-encoding: chunked")
        if not keep_alive:
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def pieces(
        self, *, keep_alive: bool = True, can_chunk: bool = True, head_only: bool = False
    ) -> Iterator[bytes]:
        """The bytes in the steps they are sent in; the head goes along with the first."""
        if self.raw is not None:
            yield self.raw
            return
        head = self.head(keep_alive=keep_alive, can_chunk=can_chunk)
        body = self.told(chunked=can_chunk and not self.is_framed)
        if head_only or not has_body(self.status):
            yield head
            return
        yield head + next(body, b"")
        yield from body

    def told(self, *, chunked: bool) -> Iterator[bytes]:
        if self.chunks is None:
            yield from (self.body[at : at + PIECE] for at in range(0, len(self.body), PIECE))
        elif not chunked:
            yield from self.chunks
        else:
            last = b"" if self.stall or self.close else b"0\r\n\r\n"
            for at, chunk in enumerate(self.chunks, start=1):
                framed = b"%x\r\n%b\r\n" % (len(chunk), chunk)
                yield framed + last if at == len(self.chunks) else framed
            if not self.chunks:
                yield last


def json_answer(content: Any, status: int = 200, headers: Headers = ()) -> Answer:
    return Answer(status=status, headers=headers, body=dumps(content))


def dumps(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Made Up"


def has_body(status: int) -> bool:
    return status >= 200 and status not in (204, 304)
