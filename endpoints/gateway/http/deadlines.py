"""Enforces the deadlines of all requests in progress, a few times a second.

A timer and a listening task for every request would cost more than decrypting its key.
"""

import asyncio
from typing import Self

from .body_reader import Receive

NEVER = float("inf")
CHECK_EVERY = 0.25  # seconds: how late a deadline may be noticed
LISTEN_AFTER = 0.5  # seconds; nothing listens for a disconnect during shorter requests


class Deadlines:
    """Checks the deadlines of one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self._deadlines: set[Deadline] = set()
        self._next: asyncio.TimerHandle | None = None

    def of(self, receive: Receive) -> "Deadline":
        """Return the deadline of the current task, which serves the client behind ``receive``."""
        return Deadline(self, receive)

    def add(self, deadline: "Deadline") -> None:
        self._deadlines.add(deadline)
        if self._next is None:
            self._next = self.loop.call_later(CHECK_EVERY, self._check)

    def remove(self, deadline: "Deadline") -> None:
        self._deadlines.discard(deadline)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _check(self) -> None:
        now = self.now()
        self._next = self.loop.call_later(CHECK_EVERY, self._check) if self._deadlines else None
        for deadline in list(self._deadlines):
            deadline.check(now)


class Deadline:
    """``with deadlines.of(receive) as deadline:`` ends the block at its deadline, or when the
    client disconnects.

    Without ``expire_in`` there is no deadline, and without ``listen_soon`` nothing listens.
    """

    __slots__ = (
        "_at",
        "_deadlines",
        "_is_expired",
        "_is_left",
        "_listener",
        "_now",
        "_receive",
        "_since",
        "_task",
    )

    def __init__(self, deadlines: Deadlines, receive: Receive) -> None:
        self._deadlines, self._now, self._receive = deadlines, deadlines.now, receive
        self._task = asyncio.current_task()
        self._listener: asyncio.Task[None] | None = None
        self._at = self._since = NEVER
        self._is_expired = self._is_left = False

    def __enter__(self) -> Self:
        self._deadlines.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        self._deadlines.remove(self)
        self._at = self._since = NEVER
        if self._listener is not None:
            self._listener.cancel()
        if kind is not asyncio.CancelledError:
            return False
        if self._is_left and self._task is not None:
            self._task.uncancel()
            return True
        return self.was_reached()

    def expire_in(self, seconds: float) -> None:
        """Cancel the task in ``seconds``, unless another deadline is set first."""
        self._at = self._now() + seconds

    def cancel(self) -> None:
        self._at = NEVER

    def was_reached(self) -> bool:
        """Whether a ``CancelledError`` just caught was this deadline, which then is done with."""
        if not self._is_expired or self._task is None:
            return False
        self._is_expired = False
        self._task.uncancel()
        return True

    def listen_soon(self) -> None:
        """End when the client disconnects, from a moment on. The body must have been read."""
        self._since = self._now()

    def check(self, now: float) -> None:
        if self._at <= now:
            self._is_expired, self._at = True, NEVER
            if self._task is not None:
                self._task.cancel()
        elif now - self._since >= LISTEN_AFTER and self._listener is None:
            self._listener = self._deadlines.loop.create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_left = True
        if self._task is not None:
            self._task.cancel()
