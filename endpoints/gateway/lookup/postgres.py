"""The directory on PostgreSQL."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from .directory import FIND, LIST, DatabaseUnavailable, Found, found_in

READ_SECONDS = 5  # for one query; libpq limits the time to connect, to each of its hosts
# All that libpq knows. Django's parameters hold cursors and the like as well.
_LIBPQ = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
# What prepared queries cause where a pooler gives each transaction another connection, as PgBouncer
# before 1.21 does: they exist already, are missing, or belong to another client.
_OF_A_POOLER = (
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.ProtocolViolation,
)
logger = logging.getLogger(__name__)


class PostgresDirectory:
    """One kept connection. A request that arrives while a query is under way shares the next."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = {name: value for name, value in parameters.items() if name in _LIBPQ}
        self._prepare_threshold: int | None = 0  # prepare each query at once
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
        future: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((digest, endpoint, future))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await future

    async def _read(self) -> None:
        try:
            while self._waiting:
                wanted, self._waiting = self._waiting, []
                results: Sequence[Found | DatabaseUnavailable | None]
                try:
                    results = await self._find_all([(digest, name) for digest, name, _ in wanted])
                except (psycopg.Error, TimeoutError, OSError) as error:
                    results = [DatabaseUnavailable(str(type(error).__name__))] * len(wanted)
                for (_, _, future), found in zip(wanted, results, strict=True):
                    if future.done():  # its client disconnected
                        continue
                    if isinstance(found, DatabaseUnavailable):
                        future.set_exception(found)
                    else:
                        future.set_result(found)
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
            raise DatabaseUnavailable from error

    async def _execute(self, query: str, parameters: Sequence[Any]) -> Iterable[Any]:
        """Run ``query``; a connection that the server has dropped is replaced once."""
        async with self._in_use:
            for is_last in (False, True):
                try:
                    if self._connection is None:
                        self._connection = await psycopg.AsyncConnection.connect(
                            **self._parameters,
                            autocommit=True,
                            prepare_threshold=self._prepare_threshold,
                        )
                    async with asyncio.timeout(READ_SECONDS):
                        cursor = await self._connection.execute(query, parameters)
                        return await cursor.fetchall()
                except (psycopg.OperationalError, *_OF_A_POOLER) as error:
                    if isinstance(error, _OF_A_POOLER) and self._prepare_threshold is not None:
                        self._prepare_threshold = None
                        logger.info("A pooler shares connections: queries are not prepared.")
                    await self._drop()
                    if is_last:
                        raise
                except BaseException:  # an interrupted query leaves its connection unusable
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
