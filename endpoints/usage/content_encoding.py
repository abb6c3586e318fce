"""Decompresses what providers send."""

import sys
import zlib
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_WINDOW = 23  # as a power of two: 8 MB that zstd keeps; source: RFC 8878, section 3.1.1.1.2
MAX_LAYERS = 3
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # how they begin
INVALID = (ValueError, EOFError, zlib.error, zstd.ZstdError, brotli.error)


class Decompressor(Protocol):
    """What ``zlib.decompressobj`` returns."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


class BrotliDecompressor:
    """A ``Decompressor``. What follows the end is not kept, but is an error."""

    unused_data = b""

    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        if not max_length:
            return bytes(self._decompressor.process(data))
        return bytes(self._decompressor.process(data, output_buffer_limit=max_length))


def decompressor(encoding: str) -> Decompressor | None:
    """Return one for a Content-Encoding, or None if it is unknown."""
    match encoding:
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj()
        case "br":
            return BrotliDecompressor()
        case "zstd":
            return zstd_decompressor()
    return None


def zstd_decompressor() -> Decompressor:
    """Return one that takes bounded memory."""
    window = zstd.DecompressionParameter.window_log_max
    return zstd.ZstdDecompressor(options={window: MAX_WINDOW})


def deflate_decompressor(body: bytes) -> Decompressor:
    """Return one for ``body``, which may lack the header of zlib: RFC 9110, section 8.4.1.2."""
    has_header = body[:1] and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
    return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def decompress_any(body: bytes, encoding: str, limit: int) -> tuple[bytes, bool] | None:
    """Return ``limit`` bytes of ``body`` in the clear, and whether that is all; None if it cannot
    be read. What the bytes are counts for more than what ``encoding`` says they are."""
    is_labeled, is_whole = encoding not in ("", "identity"), True
    inflate: Decompressor
    for _ in range(MAX_LAYERS):
        if body.startswith(GZIP):
            inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif body.startswith(ZSTD):
            inflate = zstd_decompressor()
        elif is_labeled and not _is_text(body) and encoding == "deflate":
            inflate = deflate_decompressor(body)
        elif is_labeled and not _is_text(body) and encoding == "br":
            inflate = BrotliDecompressor()
        elif is_labeled and not _is_text(body):
            return None
        else:
            return body[:limit], is_whole and len(body) <= limit
        try:
            body = inflate.decompress(body, limit)
        except INVALID:
            return None
        if not body and not inflate.eof:
            return None
        is_labeled, encoding = True, ""  # so what was compressed in another way is not shown
        is_whole = is_whole and inflate.eof and not inflate.unused_data
    return None


def _is_text(body: bytes) -> bool:
    """Whether these bytes are no compressed ones."""
    if not body:
        return True
    try:
        text = body[:1024].decode("utf-8", "strict" if len(body) <= 1024 else "ignore")
    except UnicodeDecodeError:
        return False
    return len(text) > len(body[:1024]) // 2 and all(
        letter.isprintable() or letter.isspace() for letter in text
    )
