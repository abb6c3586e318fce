"""Errors and delays that a client requests by the name of a model: ``fail-429``, ``stall``, …"""

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from .dialects import Dialect
from .http_response import BLOCK, Response

HUGE = 200 * 1024 * 1024  # bytes
BIG = 300 * 1024  # bytes


class Normal(NamedTuple):
    """The request, and the response that a behavior replaces or changes."""

    response: Response
    dialect: Dialect
    key: str
    headers: Mapping[bytes, bytes]
    path: str
    redirect_to: str


Behavior = Callable[[Normal, str], Response]


def behavior_of(model: str) -> tuple[Behavior, str] | None:
    """Return the behavior that the name of ``model`` requests, and the number in that name."""
    match = re.fullmatch(r"([a-z-]+?)(?:-(\d+))?", model.rpartition("/")[2])
    behavior = BEHAVIORS.get(match[1]) if match else None
    return (behavior, match[2] or "") if match and behavior else None


def fail(normal: Normal, status: str) -> Response:
    """An error status. 401 and 403 repeat the key in the message, as some providers do."""
    code = int(status) if re.fullmatch(r"[45]\d\d", status) else 500
    is_refused = code in (401, 403)
    message = f"Incorrect API key provided: {normal.key}." if is_refused else f"Error {code}."
    error = normal.dialect.error(code, message)
    return with_headers(error, ("retry-after", "2")) if code == 429 else error


def slow(normal: Normal, milliseconds: str) -> Response:
    return replace(normal.response, delay=int(milliseconds or 1000) / 1000)


def stall(normal: Normal, _: str) -> Response:
    """The headers and the first chunk, or half of the body, and then nothing."""
    response = normal.response
    if response.chunks is not None:
        return replace(response, chunks=response.chunks[:1], stall=True)
    return replace(half_of(response), stall=True)


def cut(normal: Normal, _: str) -> Response:
    """Half of the response, and then the end of the connection."""
    response = normal.response
    if response.chunks is not None:
        half = response.chunks[: len(response.chunks) // 2]
        return replace(response, chunks=half, close=True)
    return replace(half_of(response), close=True)


def half_of(response: Response) -> Response:
    """Half of the body, with the content-length of the whole."""
    declared = with_headers(response, ("content-length", str(len(response.body))))
    return replace(declared, body=response.body[: len(response.body) // 2])


def close(normal: Normal, _: str) -> Response:
    return Response(raw=b"", close=True)


def garbage(normal: Normal, _: str) -> Response:
    return Response(raw=b"\x16\x03\x01\x00 this is not HTTP\r\n\r\n", close=True)


def redirect(normal: Normal, status: str) -> Response:
    location = normal.redirect_to + normal.path
    code = int(status) if re.fullmatch(r"3\d\d", status) else 302
    return Response(status=code, headers=(("location", location),))


def huge(normal: Normal, megabytes: str) -> Response:
    """200 MB of spaces, which are JSON up to the missing value."""
    size = int(megabytes) * 1024 * 1024 if megabytes else HUGE
    return Response(
        headers=(("content-type", "application/json"), ("content-length", str(size))),
        chunks=(b" " * BLOCK,) * (size // BLOCK),
    )


def big_headers(normal: Normal, kilobytes: str) -> Response:
    size = int(kilobytes) * 1024 if kilobytes else BIG
    return with_headers(normal.response, ("x-big", "x" * size))


def cookies(normal: Normal, _: str) -> Response:
    """A successful response with headers that must not be forwarded."""
    return with_headers(
        normal.response,
        ("set-cookie", "session=made-up; Path=/; HttpOnly"),
        ("set-cookie", "__cf_bm=made-up; Secure"),
        ("connection", "x-foo"),
        ("x-foo", "1"),
        ("keep-alive", "timeout=5"),
    )


def gzipped(normal: Normal, _: str) -> Response:
    accepted = normal.headers.get(b"accept-encoding", b"")
    response = normal.response
    if b"gzip" not in accepted or response.chunks is not None:
        return response
    encoded = with_headers(response, ("content-encoding", "gzip"), ("vary", "accept-encoding"))
    return replace(encoded, body=gzip.compress(response.body, mtime=0))


def with_headers(response: Response, *pairs: tuple[str, str]) -> Response:
    return replace(response, headers=(*response.header_list, *pairs))


BEHAVIORS: dict[str, Behavior] = {
    "fail": fail,
    "slow": slow,
    "stall": stall,
    "cut": cut,
    "close": close,
    "garbage": garbage,
    "redirect": redirect,
    "huge": huge,
    "big-headers": big_headers,
    "cookies": cookies,
    "gzip": gzipped,
}
