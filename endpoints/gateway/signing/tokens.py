"""What signers obtain, such as access tokens: in memory only, until shortly before it expires."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .credentials import Credentials
from .errors import CannotSign

SIZE = 1_000  # what is kept at most; the oldest goes first
MARGIN = 90  # seconds before it expires that a token is no longer used; less for short ones
AFTER_FAILURE = 1  # second without another attempt


@dataclass(frozen=True, slots=True, repr=False)
class Obtained:
    """A token, or temporary credentials, and how many seconds they are good for."""

    value: Any
    seconds: float


Obtain = Callable[[], Awaitable[Obtained]]


class TokenCache:
    """What was obtained, by the version of a key that it was obtained with and by its plan."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, credentials: Credentials, obtain: Obtain) -> Any:
        """Return what is kept for ``credentials``, or obtain it, once for all waiting requests.

        Raises ``CannotSign``.
        """
        key = (credentials.owner, credentials.plan.digest)
        entry = self._entries.get(key)
        if entry is None or entry.until <= time.monotonic():
            now = time.monotonic()
            kept = [item for item in self._entries.items() if item[1].until > now]
            self._entries = dict(kept[-(SIZE - 1) :])
            entry = self._entries[key] = _Entry(obtain)
        outcome = await asyncio.shield(entry.task)  # others go on waiting if one is canceled
        if isinstance(outcome, CannotSign):
            raise _without_traceback(outcome)
        return outcome.value

    def renew(self, owner: str, began: float, ended: float, *, even_if_new: bool) -> bool:
        """Drop what was obtained with the credentials of ``owner``, and refused by a provider.

        ``get`` returned it between ``began`` and ``ended``. If it was obtained then, it is dropped
        only ``even_if_new``. What was obtained later is kept: another request has dropped the old
        one. Returns whether ``get`` now returns something else.
        """
        is_newer = False
        for key, entry in list(self._entries.items()):
            if key[0] == owner and (even_if_new or not began <= entry.began <= ended):
                is_newer = True
                if entry.began <= ended:
                    del self._entries[key]
        return is_newer

    def forget(self, owner: str) -> None:
        """Drop what was obtained with the credentials of ``owner``; a failure keeps its second."""
        self._entries = {
            key: entry for key, entry in self._entries.items() if key[0] != owner or entry.failed
        }


class _Entry:
    """A value that is being obtained, or that was."""

    __slots__ = ("began", "failed", "task", "until")

    def __init__(self, obtain: Obtain) -> None:
        self.began = time.monotonic()
        self.failed = False
        self.until = math.inf
        self.task = asyncio.create_task(self._run(obtain))

    async def _run(self, obtain: Obtain) -> Obtained | CannotSign:
        try:
            obtained = await obtain()
        except CannotSign as error:
            self.failed, self.until = True, time.monotonic() + AFTER_FAILURE
            return _without_traceback(error)
        except BaseException:
            self.until = 0
            raise
        self.until = self.began + obtained.seconds - min(MARGIN, obtained.seconds / 4)
        return obtained


def _without_traceback(error: CannotSign) -> CannotSign:
    """Return ``error`` without its traceback, whose frames hold the credentials."""
    return type(error)(*error.args)
