"""The directory on SQLite."""

import asyncio
import os
import sqlite3
from datetime import datetime

from .directory import FIND, LIST, Away, Found, found_in, time_of

KEPT_ANSWERS = 10_000
LOOK_EVERY = 0.25  # seconds, for another file in the place of ours


class SqliteDirectory:
    """Reads on the event loop: a look-up takes some twenty microseconds and waits for nobody.

    One look at the version is enough for all requests whose bytes were there before it: those that
    the loop runs in the same round. What arrives later is run in a later one, after ``_doubt``.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._next_look = 0.0  # the loop's time
        self._version = -1
        self._is_sure = False
        self._kept: dict[tuple[str, str], Found | None] = {}
        self._find = FIND.format(
            extra="",
            text="",
            source="endpoints_gatewaytoken t",
            name="?",
            where="WHERE t.digest = ?",
        )

    async def find(self, digest: str, endpoint: str) -> Found | None:
        try:
            self._forget_what_may_have_changed()
            key = (digest, endpoint)
            if key not in self._kept:
                rows = self._connected().execute(self._find, (endpoint, digest)).fetchall()
                self._kept[key] = found_in(rows)
            return self._kept[key]
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise Away from error

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        try:
            rows = self._connected().execute(LIST.format(digest="?"), (digest,)).fetchall()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise Away from error
        return [(name, time_of(created)) for name, created in rows]

    async def close(self) -> None:
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._kept.clear()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file = _file_at(self._path)  # SQLite would make one where there is none
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=1)
            self._connection.execute("PRAGMA query_only=ON")
            self._version = -1
        return self._connection

    def _forget_what_may_have_changed(self) -> None:
        """Source: SQLite's documentation of ``PRAGMA data_version``: other connections' commits."""
        if self._is_sure:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_look:
            self._next_look = loop.time() + LOOK_EVERY
            self._let_go_of_a_replaced_file()
        version = self._connected().execute("PRAGMA data_version").fetchone()[0]
        self._is_sure = True
        loop.call_soon(self._doubt)
        if version != self._version or len(self._kept) > KEPT_ANSWERS:
            self._kept.clear()
            self._version = version

    def _let_go_of_a_replaced_file(self) -> None:
        """A backup that is moved over the database leaves us with a file that has no name."""
        if self._connection is not None and _file_at(self._path) != self._file:
            self._disconnect()

    def _doubt(self) -> None:
        self._is_sure = False


def _file_at(path: str) -> tuple[int, int]:
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino
