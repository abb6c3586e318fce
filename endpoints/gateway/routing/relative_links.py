"""Absolute URLs in responses that an SDK follows with its token: they are made relative.

Anthropic names the results of a batch by ``results_url``. Its SDKs send the gateway token to
whatever that says, and resolve a path against their own base URL, which is the gateway's.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from endpoints.gateway.http.headers import sort_response_headers
from endpoints.gateway.upstream.client import Headers, ResponseBroken, UpstreamResponse

MAX_KEPT = 1024 * 1024  # bytes; a page of 1,000 batches is smaller
# JSON allows every letter as \u00xx.
_KEY = "".join(rf"(?:{letter}|\\u00{ord(letter):02x})" for letter in "results_url")
_LINK = re.compile(rf'("{_KEY}"\s*:\s*)("[^"\\]*(?:\\.[^"\\]*)*")'.encode(), re.IGNORECASE)


class RelativeLinks:
    """A response without the provider's address in its links."""

    def __init__(
        self, response: UpstreamResponse, base_url: str, on_piece: Callable[[], None]
    ) -> None:
        """``on_piece`` is called whenever some of the body has come."""
        self._response, self._base_url, self._on_piece = response, base_url, on_piece

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Headers:
        return self._response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body at once. Raises ``ResponseBroken`` if links cannot be looked for."""
        is_error = self.status >= 400  # which no SDK follows
        if not is_error and sort_response_headers(self.headers, ()).encoding not in (
            "",
            "identity",
        ):
            raise ResponseBroken("compressed")
        kept: list[bytes] = []
        size = 0
        async for chunk in self._response.chunks():
            if is_error:
                yield chunk
                continue
            self._on_piece()
            kept.append(chunk)
            size += len(chunk)
            if size > MAX_KEPT:
                raise ResponseBroken("too long")
        if kept:
            yield self._rewritten(b"".join(kept))

    def close(self) -> None:
        self._response.close()

    def _rewritten(self, body: bytes) -> bytes:
        return _LINK.sub(self._relative, body)

    def _relative(self, found: re.Match[bytes]) -> bytes:
        try:
            url: str = json.loads(found[2])
            rest = url.removeprefix(self._base_url)
            if rest == url or not rest.startswith("/"):
                parts = urlsplit(url)
                rest = parts.path + (f"?{parts.query}" if parts.query else "")
        except ValueError:
            rest = ""
        # Two slashes would begin with a host, and some clients take a backslash for a slash.
        return found[1] + json.dumps("/" + rest.lstrip("/\\")).encode()
