"""The directory on SQLite."""

import asyncio
import os
import sqlite3
from datetime import datetime

from .directory import FIND, LIST, DatabaseUnavailable, Found, found_in, time_of

MAX_CACHED = 10_000
CHECK_FILE_EVERY = 0.25  # seconds; whether the database was replaced by another file


class SqliteDirectory:
    """Reads on the event loop: a lookup takes some twenty microseconds and never waits.

    Checking the version once is enough for all requests whose bytes were there before it: those
    that the loop runs in the same tick. What arrives later is run in a later tick.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._next_file_check = 0.0  # the loop's time
        self._version = -1
        self._version_checked = False
        self._cached: dict[tuple[str, str], Found | None] = {}
        self._find = FIND.format(
            extra="",
            text="",
            source="endpoints_gatewaytoken t",
            name="?",
            where="WHERE t.digest = ?",
        )

    async def find(self, digest: str, endpoint: str) -> Found | None:
        try:
            self._drop_stale_cache()
            key = (digest, endpoint)
            if key not in self._cached:
                rows = self._connected().execute(self._find, (endpoint, digest)).fetchall()
                self._cached[key] = found_in(rows)
            return self._cached[key]
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise DatabaseUnavailable from error

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        try:
            rows = self._connected().execute(LIST.format(digest="?"), (digest,)).fetchall()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise DatabaseUnavailable from error
        return [(name, time_of(created)) for name, created in rows]

    async def close(self) -> None:
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._cached.clear()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file = _file_at(self._path)  # SQLite would create a missing file
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=1)
            self._connection.execute("PRAGMA query_only=ON")
            self._version = -1
        return self._connection

    def _drop_stale_cache(self) -> None:
        """Source: SQLite's documentation of ``PRAGMA data_version``: other connections' commits."""
        if self._version_checked:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_file_check:
            self._next_file_check = loop.time() + CHECK_FILE_EVERY
            self._reopen_if_replaced()
        version = self._connected().execute("PRAGMA data_version").fetchone()[0]
        self._version_checked = True
        loop.call_soon(self._recheck_next_tick)
        if version != self._version or len(self._cached) > MAX_CACHED:
            self._cached.clear()
            self._version = version

    def _reopen_if_replaced(self) -> None:
        """A backup that is moved over the database leaves the connection with an unlinked file."""
        if self._connection is not None and _file_at(self._path) != self._file:
            self._disconnect()

    def _recheck_next_tick(self) -> None:
        self._version_checked = False


def _file_at(path: str) -> tuple[int, int]:
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino
