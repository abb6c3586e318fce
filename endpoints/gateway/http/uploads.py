"""Bodies that are passed on while they arrive, so that their size takes no memory."""

import asyncio
from collections.abc import AsyncIterator, Callable

from .body_reader import BodyTooLarge, ClientDisconnected, Receive
from .problems import Problem, Refusal

HELD = 256 * 1024  # bytes: a body that is no larger is read as a whole, and can be sent again
PIECE_SECONDS = 120  # for a client to send the next piece
MEGABYTE = 1024 * 1024

Check = Callable[[bytes], None]  # looks at a piece, and may raise ``Refusal``


class ArrivingBody:
    """What a client sends, piece by piece, up to ``limit`` bytes.

    ``on_piece`` is called for each piece, and ``on_end`` once all of them are there.
    """

    __slots__ = ("_on_end", "_receive", "_size", "declared", "is_complete", "limit", "on_piece")

    def __init__(
        self, receive: Receive, *, declared: int | None, limit: int, on_end: Callable[[], None]
    ) -> None:
        self._receive, self._on_end = receive, on_end
        self._size = 0
        self.on_piece: Callable[[], None] | None = None
        self.declared, self.limit = declared, limit
        self.is_complete = False

    async def piece(self) -> bytes:
        """Return the next piece. Raises ``BodyTooLarge`` and ``ClientDisconnected``."""
        if (self.declared or 0) > self.limit:
            raise BodyTooLarge
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        piece: bytes = message.get("body", b"")
        self._size += len(piece)
        if self._size > self.limit:
            raise BodyTooLarge
        if self.on_piece is not None:
            self.on_piece()
        if not message.get("more_body", False):
            self.is_complete = True
            self._on_end()
        return piece

    async def head(self, hold: Check, limit: int, is_enough: Callable[[], bool]) -> bytes:
        """Return the first ``HELD`` bytes, and more until there ``is_enough``, or the whole body if
        it is no larger. ``hold`` gets each piece. Raises ``BodyTooLarge`` beyond ``limit``."""
        parts: list[bytes] = []
        size = 0
        while not self.is_complete and (size < HELD or not is_enough()):
            piece = await self.piece()
            size += len(piece)
            if size > limit:
                raise BodyTooLarge
            hold(piece)
            parts.append(piece)
        return b"".join(parts)


def too_large(limit: int) -> Refusal:
    return Refusal(Problem.BODY_TOO_LARGE, megabytes=limit // MEGABYTE)


class Upload:
    """A body whose beginning is here, and the rest is passed on as it arrives. It is sent once.

    If it breaks off, ``failure`` is why: what the client gets, or that it has left.
    """

    def __init__(
        self, head: bytes, arriving: ArrivingBody, length: int | None, check: Check | None = None
    ) -> None:
        self.length = length  # bytes, if the client declared it
        self.failure: Exception | None = None
        self.is_begun = False
        self._head, self._arriving, self._check = head, arriving, check

    async def __aiter__(self) -> AsyncIterator[bytes]:
        arriving, check = self._arriving, self._check
        self.is_begun = True
        yield self._head
        try:
            while not arriving.is_complete:
                async with asyncio.timeout(PIECE_SECONDS):
                    piece = await arriving.piece()
                if check is not None:
                    check(piece)
                if piece:
                    yield piece
        except TimeoutError:
            self.failure = Refusal(Problem.BODY_TOO_SLOW)
            raise
        except BodyTooLarge:
            self.failure = too_large(arriving.limit)
            raise
        except (ClientDisconnected, Refusal) as error:
            self.failure = error
            raise
