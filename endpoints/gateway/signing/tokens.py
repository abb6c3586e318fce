"""What signers obtain, such as access tokens: kept in memory only, until shortly before it ends."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .credentials import Credentials
from .errors import CannotSign

SIZE = 1_000  # what is kept at most; the oldest goes first
MARGIN = 90  # seconds before its end that a token is no longer used; less for short ones
AFTER_FAILURE = 1  # second during which nobody asks again


@dataclass(frozen=True, slots=True, repr=False)
class Obtained:
    """A token, or temporary credentials, and how many seconds they are good for."""

    value: Any
    seconds: float


Obtain = Callable[[], Awaitable[Obtained]]


class Kept:
    """What was obtained, by the version of a key that it was obtained with and by its plan."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, credentials: Credentials, obtain: Obtain) -> Any:
        """Return what is kept for ``credentials``, or obtain it, once for all who wait.

        Raises ``CannotSign``.
        """
        key = (credentials.owner, credentials.plan.digest)
        entry = self._entries.get(key)
        if entry is None or entry.until <= time.monotonic():
            self._make_room()
            entry = self._entries[key] = _Entry(obtain)
        outcome = await asyncio.shield(entry.task)  # one who leaves does not take it from others
        if isinstance(outcome, CannotSign):
            raise _anew(outcome)
        return outcome.value

    def forget(self, owner: str) -> None:
        """Drop what was obtained with the credentials of ``owner``; a failure keeps its second."""
        self._entries = {
            key: entry for key, entry in self._entries.items() if key[0] != owner or entry.failed
        }

    def _make_room(self) -> None:
        now = time.monotonic()
        kept = [(key, entry) for key, entry in self._entries.items() if entry.until > now]
        self._entries = dict(kept[-(SIZE - 1) :])


class _Entry:
    """One thing on its way, or there."""

    __slots__ = ("failed", "task", "until")

    def __init__(self, obtain: Obtain) -> None:
        self.failed = False
        self.until = math.inf
        self.task = asyncio.create_task(self._run(obtain))

    async def _run(self, obtain: Obtain) -> Obtained | CannotSign:
        began = time.monotonic()
        try:
            obtained = await obtain()
        except CannotSign as error:
            self.failed, self.until = True, time.monotonic() + AFTER_FAILURE
            return _anew(error)
        except BaseException:
            self.until = 0
            raise
        self.until = began + obtained.seconds - min(MARGIN, obtained.seconds / 4)
        return obtained


def _anew(error: CannotSign) -> CannotSign:
    """Return ``error`` without its traceback, whose frames hold the credentials."""
    return type(error)(*error.args)
