"""What a provider's status means here, and what may be shown of its errors."""

import json
import zlib
from contextlib import suppress

from .upstream import Answer

MAX_ERROR = 256 * 1024  # bytes of a provider's error
REFUSED = (401, 403)
REDIRECTS = {300, 301, 302, 303, 305, 307, 308}
WORTH_ANOTHER_ROUTE = {408, 409, 429}


def outcome_of(status: int) -> str:
    """Return the column that counts a request that was answered so."""
    if status < 400:
        return ""
    if status == 429:
        return "rate_limited"
    return "provider_errors" if status >= 500 or status in (408, 409) else "caller_errors"


async def read_error(answer: Answer, encoding: str) -> bytes:
    """Return a provider's error in the clear, so that it can be looked through."""
    parts, size = [], 0
    async for chunk in answer.chunks():
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_ERROR:
            break
    body = b"".join(parts)
    try:
        match encoding:
            case "gzip" | "x-gzip":
                return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, MAX_ERROR)
            case "deflate":
                return zlib.decompressobj().decompress(body, MAX_ERROR)
            case "" | "identity":
                return body
    except zlib.error:
        pass
    return b""


def google_refuses(body: bytes) -> bool:
    """Whether this is what Google answers, with 400, to a key that it does not know.

    Told by its place, as what the caller has typed may be quoted anywhere in an error.
    Source: google.rpc.ErrorInfo, domain googleapis.com.
    """
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        found = json.loads(body)
        found = found[0] if isinstance(found, list) else found
        return any(each.get("reason") == "API_KEY_INVALID" for each in found["error"]["details"])
    return False
