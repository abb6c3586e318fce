"""Decodes request bodies that a client has compressed, up to a limit."""

import asyncio
import zlib
from collections.abc import Callable

from endpoints.usage.content_encoding import (
    INVALID,
    Decompressor,
    deflate_decompressor,
    zstd_decompressor,
)

from .body_reader import BodyTooLarge
from .problems import Problem, Refusal

ACCEPTED = ("gzip", "deflate", "zstd")
PIECE = 32 * 1024  # bytes that are read in one turn of the event loop
SLICE = 256 * 1024  # bytes that are decoded in one turn, in a millisecond or two
MAX_MEMBERS = 1_000  # compressed one by one, and joined


async def decoded(raw: bytes, coding: str, hold: Callable[[int], None], limit: int) -> bytes:
    """Return ``raw`` without its Content-Encoding.

    ``hold`` is called with the size of each part, and may raise. Raises ``BodyTooLarge`` beyond
    ``limit`` bytes, and ``Refusal``. What is beyond a limit is not decoded.
    """
    coding = coding.strip().lower().removeprefix("x-")
    if coding == "identity" or not raw:
        return raw
    if coding not in ACCEPTED:
        raise unsupported(ACCEPTED)
    parts: list[bytes] = []
    size = place = members = 0
    try:
        while place < len(raw):
            members += 1
            if members > MAX_MEMBERS:
                raise ValueError("too many members")
            decoder, given = _decoder(coding, raw[place : place + 2]), b""
            while not decoder.eof:
                if not given:
                    given = raw[place : place + PIECE]
                    place += len(given)
                part = decoder.decompress(given, SLICE)
                if not given and not part and not decoder.eof:
                    raise ValueError("incomplete")
                given = getattr(decoder, "unconsumed_tail", b"")
                size += len(part)
                if size > limit:
                    raise BodyTooLarge
                hold(len(part))
                parts.append(part)
                await asyncio.sleep(0)
            place -= len(decoder.unused_data)
    except INVALID:
        raise Refusal(Problem.BAD_BODY_ENCODING, encoding=coding) from None
    return b"".join(parts)


def unsupported(accepted: tuple[str, ...]) -> Refusal:
    """Return a 415 that names what is accepted. Source: RFC 9110, section 15.5.16."""
    names = " or ".join([*filter(None, [", ".join(accepted)]), "none"])
    headers = {"accept-encoding": ", ".join(accepted) or "identity"}
    return Refusal(Problem.UNSUPPORTED_BODY_ENCODING, headers=headers, accepted=names)


def _decoder(coding: str, raw: bytes) -> Decompressor:
    match coding:
        case "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return deflate_decompressor(raw)
    return zstd_decompressor()
