"""The directory on PostgreSQL."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from .directory import FIND, LIST, Away, Found, found_in

READ_SECONDS = 5
# What psycopg connects with; Django's own parameters hold cursors and pools as well.
_CONNECTION = frozenset(
    "host port user password dbname sslmode sslrootcert sslcert sslkey options service passfile "
    "application_name target_session_attrs".split()
)


class PostgresDirectory:
    """One kept connection. A request that arrives while a query is under way shares the next."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        known = {name: value for name, value in parameters.items() if name in _CONNECTION}
        self._parameters = {"connect_timeout": READ_SECONDS, **known}
        self._connection: psycopg.AsyncConnection | None = None
        self._waiting: list[tuple[str, str, asyncio.Future[Found | None]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._in_use = asyncio.Lock()
        self._find = FIND.format(
            extra="w.number,",
            text="::text",
            source=(
                "unnest(%s::int[], %s::text[], %s::text[]) AS w(number, digest, name) "
                "JOIN endpoints_gatewaytoken t ON t.digest = w.digest"
            ),
            name="w.name",
            where="",
        )

    async def find(self, digest: str, endpoint: str) -> Found | None:
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((digest, endpoint, answer))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await answer

    async def _read(self) -> None:
        try:
            while self._waiting:
                wanted, self._waiting = self._waiting, []
                try:
                    answers = await self._find_all([(digest, name) for digest, name, _ in wanted])
                except (psycopg.Error, TimeoutError, OSError) as error:
                    answers = [Away(str(type(error).__name__))] * len(wanted)
                for (_, _, answer), found in zip(wanted, answers, strict=True):
                    if answer.done():  # its caller hung up
                        continue
                    if isinstance(found, Away):
                        answer.set_exception(found)
                    else:
                        answer.set_result(found)
        finally:
            self._reading = None

    async def _find_all(self, wanted: Sequence[tuple[str, str]]) -> list[Found | None]:
        numbers = list(range(len(wanted)))
        digests, names = [digest for digest, _ in wanted], [name for _, name in wanted]
        rows: list[list[Any]] = [[] for _ in wanted]
        for number, *row in await self._execute(self._find, (numbers, digests, names)):
            rows[number].append(row)
        return [found_in(each) for each in rows]

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        try:
            return list(await self._execute(LIST.format(digest="%s"), (digest,)))
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise Away from error

    async def _execute(self, query: str, parameters: Sequence[Any]) -> Iterable[Any]:
        """Run ``query``; a connection that the server has dropped is replaced once."""
        async with self._in_use, asyncio.timeout(READ_SECONDS):
            for is_last in (False, True):
                try:
                    if self._connection is None:
                        self._connection = await psycopg.AsyncConnection.connect(
                            **self._parameters, autocommit=True, prepare_threshold=0
                        )
                    cursor = await self._connection.execute(query, parameters)
                    return await cursor.fetchall()
                except psycopg.OperationalError:
                    await self._drop()
                    if is_last:
                        raise
                except BaseException:  # a query that was broken off leaves its connection unusable
                    await self._drop()
                    raise
        raise AssertionError("unreachable")

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._drop()
