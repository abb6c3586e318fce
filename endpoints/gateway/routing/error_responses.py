"""A provider's error: reading it, and passing it on without secrets."""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from endpoints.gateway.upstream.censor import hides_any, longest_spelling, without
from endpoints.gateway.upstream.client import UpstreamResponse
from endpoints.usage.content_encoding import decompress_any

MAX_ERROR = 256 * 1024  # bytes of a provider's error that are passed on
MAX_QUOTED = 64 * 1024  # bytes of an error in JSON that is too long, within one that is valid
CUT_OFF = b" [truncated]"
REDIRECTS = {300, 301, 302, 303, 305, 307, 308}
RETRIED = {408, 409, 429}  # by SDKs, beside 5xx


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A provider's error, as it is passed on."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    declared: int | None  # the length that HEAD gets


def is_retried(status: int) -> bool:
    """Whether SDKs retry a response of this status by themselves."""
    return status >= 500 or status in RETRIED


def with_advice(
    headers: list[tuple[bytes, bytes]], *, seconds: float, is_hopeless: bool
) -> list[tuple[bytes, bytes]]:
    """Add when to try again, in the spellings that SDKs read, or that it cannot help.

    Source: OpenAI's and Anthropic's SDKs, ``_should_retry`` and ``_parse_retry_after_header``.
    """
    names = {name for name, _ in headers}
    advice = []
    if is_hopeless:
        advice.append((b"x-should-retry", b"false"))
    elif seconds:
        advice.append((b"retry-after", b"%d" % math.ceil(seconds)))
        advice.append((b"retry-after-ms", b"%d" % math.ceil(seconds * 1000)))
    return [*headers, *(item for item in advice if item[0] not in names)]


def status_within(error: bytes) -> int:
    """Return the status of an error in a response with status 200: its code, if any, or 502."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = msgspec.json.decode(error)
        found = document.get("error") if isinstance(document, dict) else None
        code = found.get("code") if isinstance(found, dict) else None
        # 401 and 403 may be about an account behind the provider, so they say nothing of the key.
        if isinstance(code, int) and 400 <= code < 600 and code not in (401, 403):
            return code
    return 502


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A provider's error in the clear, and whether all of it is there."""

    text: bytes
    is_whole: bool = True

    async def censored(self, secrets: Sequence[bytes]) -> bytes | None:
        """Return what may be passed on: without ``secrets``, and only then shortened. None where
        a secret is spelled in a way that cannot be taken out.

        An end that was cut off by reading is dropped as far as it may be the beginning of a secret.
        """
        text = without(self.text, secrets)
        if await hides_any(text, secrets):
            return None
        kept = MAX_ERROR
        if not self.is_whole:
            kept = min(kept, max(0, len(text) - longest_spelling(secrets)))
        if self.is_whole and len(text) <= kept:
            return text
        text = text[:kept]
        if text.lstrip()[:1] not in (b"{", b"["):
            return text + CUT_OFF
        beginning = text[:MAX_QUOTED].decode("utf-8", "replace")
        return _document(beginning + CUT_OFF.decode(), "truncated")


def _document(message: str, what: str) -> bytes:
    """Return an error in place of one that cannot be passed on as it is, as every dialect reads
    it."""
    error = {"message": message, "type": "api_error", "code": f"provider_error_{what}"}
    return json.dumps({"type": "error", "error": error}).encode()


async def read_error(
    response: UpstreamResponse, encoding: str, secrets: Sequence[bytes], *, most: int = MAX_ERROR
) -> ErrorBody:
    """Read ``most`` bytes of a provider's error, and beyond them the length of a secret."""
    limit = most + longest_spelling(secrets)
    parts: list[bytes] = []
    size, is_whole = 0, True
    async for chunk in response.chunks():
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            is_whole = False
            break
    found = decompress_any(b"".join(parts), encoding, limit)
    if found is None:
        return ErrorBody(_document(f"The provider encoded its error ({encoding[:40]}).", "encoded"))
    text, is_all = found
    return ErrorBody(text, is_whole=is_whole and is_all)
