"""A response of the simulated provider, and the bytes it is sent as."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

BLOCK = 64 * 1024  # bytes written to the socket at once


Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """One prepared response; times are in seconds.

    ``chunks`` are sent chunked, ``pause`` apart, unless ``headers`` contain a content-length;
    ``raw`` replaces the whole response, including status line and headers. ``stall`` and ``close``
    leave the response incomplete: after the last byte, nothing follows or the connection closes.
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
    def header_list(self) -> tuple[tuple[str, str], ...]:
        """The headers in order, with a content type."""
        headers = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        pairs = tuple(headers)
        names = {name.lower() for name, _ in pairs}
        return pairs if "content-type" in names else (*pairs, ("content-type", "application/json"))

    @cached_property
    def is_framed(self) -> bool:
        """Whether the headers already define where the body ends."""
        return any(
            name.lower() in ("content-length", "transfer-encoding") for name, _ in self.header_list
        )

    @cached_property
    def complete(self) -> bytes | None:
        """All bytes on a persistent connection, or None if they are sent in several writes."""
        has_steps = self.delay or self.stall or self.close or self.raw is not None
        parts = self.chunks if self.chunks is not None else [self.body]
        if has_steps or (self.pause and self.chunks) or sum(map(len, parts)) > BLOCK:
            return None
        return b"".join(self.writes())

    def writes(
        self, *, keep_alive: bool = True, can_chunk: bool = True, headers_only: bool = False
    ) -> Iterator[bytes]:
        """The bytes of each write; the first has the headers and the beginning of the body."""
        if self.raw is not None:
            yield self.raw
            return
        start = self._start(keep_alive=keep_alive, can_chunk=can_chunk)
        if headers_only or not has_body(self.status):
            yield start
            return
        body = self._body_writes(chunked=can_chunk and not self.is_framed)
        yield start + next(body, b"")
        yield from body

    def _start(self, *, keep_alive: bool, can_chunk: bool) -> bytes:
        """The status line and the headers."""
        lines = [f"HTTP/1.1 {self.status} {reason_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.header_list]
        if not self.is_framed:
            if self.chunks is None:
                lines += [f"content-length: {len(self.body)}"] if has_body(self.status) else []
            elif can_chunk:
                lines.append("transfer-encoding: chunked")
        if not keep_alive:
            lines.append("connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _body_writes(self, *, chunked: bool) -> Iterator[bytes]:
        if self.chunks is None:
            yield from (self.body[at : at + BLOCK] for at in range(0, len(self.body), BLOCK))
        elif not chunked:
            yield from self.chunks
        else:
            last = b"" if self.stall or self.close else b"0\r\n\r\n"
            for number, chunk in enumerate(self.chunks, start=1):
                framed = b"%x\r\n%b\r\n" % (len(chunk), chunk)
                yield framed + last if number == len(self.chunks) else framed
            if not self.chunks:
                yield last


def json_response(content: Any, status: int = 200, headers: Headers = ()) -> Response:
    return Response(status=status, headers=headers, body=to_json(content))


def to_json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def has_body(status: int) -> bool:
    return status >= 200 and status not in (204, 304)
