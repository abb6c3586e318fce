"""Reads the body of a request up to a limit, and skips the rest of one that is refused.

The gateway and the pages both read bodies here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]

LINGER_SECONDS = 1  # to read on after a refusal, before the connection is closed


class ClientDisconnected(Exception):
    """The client disconnected before it sent the whole body."""


class BodyTooLarge(Exception):
    """The body has more bytes than the limit."""


async def read_body(
    receive: Receive, hold: Callable[[int], None], *, declared: int | None, limit: int
) -> bytes:
    """Return the whole body. ``hold`` is called with the size of each piece as it arrives, and may
    raise. Raises ``BodyTooLarge`` and ``ClientDisconnected``."""
    if declared is not None and declared > limit:
        raise BodyTooLarge
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body, more = message.get("body", b""), message.get("more_body", False)
        size += len(body)
        if size > limit:
            raise BodyTooLarge
        hold(len(body))
        parts.append(body)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def skip_rest(receive: Receive) -> None:
    """Read on for a moment and discard. A connection that is closed with unread bytes is reset, and
    its client may never see the response. Source: RFC 9112, section 9.6."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
