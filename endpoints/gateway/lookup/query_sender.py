"""Queries on a few connections to PostgreSQL: none waits for another, or for a lost packet."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from .directory import DatabaseUnavailable

CONNECTIONS = 3  # at most; the second and third are opened when requests overlap
READ_SECONDS = 3  # for one query; libpq limits the time to connect, to each of its hosts
MIN_SPACING = 0.001  # seconds between two queries in flight: so that each serves several requests
MIN_PATIENCE = 0.02  # seconds until a query that is not answered is sent on another connection
FIRST_PATIENCE = 0.5  # the same before it is known how long a query takes
RETRY_DELAY = 0.25  # seconds between two attempts to reach a database that is away
GROW_AGAIN = 5  # seconds after the server refused a further connection

# All that libpq knows. Django's parameters hold cursors and the like as well.
_LIBPQ = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
# What prepared queries cause where a pooler gives each transaction another connection, as PgBouncer
# before 1.21 does: they exist already, are missing, or belong to another client.
_OF_A_POOLER = (
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.ProtocolViolation,
)
Rows = Sequence[Sequence[Any]]
Connection = psycopg.AsyncConnection[Any]
logger = logging.getLogger(__name__)


class NotThePrimary(psycopg.OperationalError):
    """The server is a standby, or does not accept writes."""


@dataclass(slots=True, eq=False)
class Query:
    """A query, which may be sent twice. The first answer counts."""

    text: str
    parameters: Sequence[Any]
    deliver: Callable[[Rows], None]
    fail: Callable[[DatabaseUnavailable], None]
    attempts: int = 0  # under way
    connections: list[Connection] = field(default_factory=list)  # that have not answered
    timer: asyncio.TimerHandle | None = None
    was_repeated: bool = False
    is_done: bool = False

    def disconnect(self) -> None:
        """Let its attempts fail at once. If canceled, psycopg would first cancel the query at the
        server, which takes seconds if that is silent."""
        for connection in self.connections:
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin,
            ):
                twin.shutdown(socket.SHUT_RDWR)


class QuerySender:
    """Sends queries whose first column says whether the server may be read.

    ``next_query`` returns what waits. It is called as late as possible, so that one query can serve
    all requests that have arrived. While the database cannot be read, ``reason`` says why, and
    ``probe`` is tried until it succeeds.
    """

    def __init__(
        self,
        parameters: dict[str, Any],
        *,
        next_query: Callable[[], "Query | None"],
        probe: Callable[[], "Query"],
    ) -> None:
        self.parameters = {name: value for name, value in parameters.items() if name in _LIBPQ}
        self.reason = ""
        self._next_query, self._probe = next_query, probe
        self._prepare_threshold: int | None = 0  # prepare each query at once
        self._idle: list[Connection] = []
        self._open = 0  # connections: idle, in use, or being opened
        self._grow_at = 0.0  # the loop's time
        self._again: list[Query] = []  # that have found no connection
        self._scheduled: asyncio.Handle | None = None  # to send the next query
        self._last_sent = 0.0  # the loop's time
        self._typical = 0.0  # seconds that a query takes, smoothed; 0 before the first
        self._attempts: dict[asyncio.Task[None], Query] = {}
        self._recovery: asyncio.Task[None] | None = None
        self._probing: Query | None = None
        self._is_closed = False

    async def close(self) -> None:
        self._is_closed, self.reason = True, "closed"
        under_way: dict[asyncio.Task[None], Query | None] = {**self._attempts}
        if self._recovery is not None:
            under_way[self._recovery] = self._probing
        for task, query in under_way.items():
            if query is not None and query.connections:
                query.is_done = True
                query.disconnect()
            else:
                task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=1)
        await self._close_idle()

    def send_soon(self) -> None:
        """Send what waits: together with all of this turn of the loop, and not too soon after the
        last query, if that is still under way."""
        if self._scheduled is not None:
            return
        loop = asyncio.get_running_loop()
        if not self._has_room(loop.time()):
            return
        wait = 0.0
        if self._open > len(self._idle):
            spacing = max(MIN_SPACING, self._typical / CONNECTIONS)
            wait = self._last_sent + spacing - loop.time()
        if wait > 0:
            self._scheduled = loop.call_later(wait, self._send)
        else:
            self._scheduled = loop.call_soon(self._send)

    def _has_room(self, now: float) -> bool:
        if self._idle or not self._open:
            return True
        return self._open < CONNECTIONS and now >= self._grow_at

    def _send(self) -> None:
        self._scheduled = None
        if not self._has_room(asyncio.get_running_loop().time()):
            return  # the end of a query continues this
        query = self._again.pop(0) if self._again else self._next_query()
        if query is not None:
            self._start(query)
            self.send_soon()

    def _start(self, query: Query) -> None:
        loop = asyncio.get_running_loop()
        self._last_sent = loop.time()
        connection = self._idle.pop() if self._idle else None
        if connection is None:
            self._open += 1
        task = loop.create_task(self._attempt(query, connection))
        self._attempts[task] = query
        query.attempts += 1

    def _note_sent(self, query: Query) -> None:
        if query.timer is None:
            loop = asyncio.get_running_loop()
            patience = max(MIN_PATIENCE, 3 * self._typical) if self._typical else FIRST_PATIENCE
            query.timer = loop.call_later(
                patience, self._note_overdue, query, loop.time() + READ_SECONDS
            )

    def _note_overdue(self, query: Query, until: float) -> None:
        """Send ``query`` again on another connection: a packet may be lost, or the connection dead
        and silent. Give it up in the end."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= until:
            if not query.is_done:
                self._be_away(query, "TimeoutError")
            query.disconnect()
            return
        if not (query.was_repeated or query.is_done) and self._has_room(now):
            query.was_repeated = True
            self._start(query)
        wait = until - now if query.was_repeated else min(MIN_PATIENCE, until - now)
        query.timer = loop.call_later(wait, self._note_overdue, query, until)

    # One query on one connection

    async def _attempt(self, query: Query, connection: Connection | None) -> None:
        try:
            rows = await self._execute(query, connection)
        except (psycopg.Error, TimeoutError, OSError) as error:
            if not query.is_done and query.attempts == 1:
                self._note_failed(query, error)
        else:
            if not query.is_done:
                query.is_done = True
                self.reason = ""
                query.deliver(rows)
        finally:
            query.attempts -= 1
            if query.timer is not None and not query.attempts and query.is_done:
                query.timer.cancel()
            del self._attempts[asyncio.current_task()]  # type: ignore[arg-type]
            if self._scheduled is not None and self._open == len(self._idle):
                self._scheduled.cancel()  # nothing is under way that it should keep away from
                self._scheduled = None
            self.send_soon()

    async def _execute(self, query: Query, connection: Connection | None) -> Rows:
        """Return the rows. A connection that the server has dropped is replaced once, and so are
        idle ones, which it has probably dropped as well."""
        loop = asyncio.get_running_loop()
        is_retry = False
        while True:
            try:
                if connection is None:
                    connection = await self._connect()
                query.connections.append(connection)
                self._note_sent(query)
                started = loop.time()
                cursor = await connection.execute(query.text, query.parameters)
                rows = await cursor.fetchall()
                query.connections.remove(connection)
                if not rows[0][0]:
                    raise NotThePrimary
                taken = loop.time() - started
                if self._typical:  # an outlier, as after a lost packet, counts little
                    taken = min(taken, 3 * self._typical)
                    self._typical += (taken - self._typical) / 8
                else:
                    self._typical = taken
                self._idle.append(connection)
                return rows
            except (psycopg.OperationalError, *_OF_A_POOLER) as error:
                if isinstance(error, _OF_A_POOLER) and self._prepare_threshold is not None:
                    self._prepare_threshold = None
                    logger.info("A pooler shares connections: queries are not prepared.")
                if connection is None or is_retry or query.is_done:
                    await self._drop(connection)
                    raise
                await connection.close()
                connection, is_retry = None, True
                await self._close_idle()
            except BaseException:  # an interrupted query leaves its connection unusable
                await self._drop(connection)
                raise

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            **self.parameters, autocommit=True, prepare_threshold=self._prepare_threshold
        )

    async def _drop(self, connection: Connection | None) -> None:
        self._open -= 1
        if connection is not None:
            await connection.close()

    async def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await self._drop(connection)

    # Outages

    def _note_failed(self, query: Query, error: BaseException) -> None:
        """A further connection that the server refuses, having no more, is not needed."""
        if self._open and isinstance(error, psycopg.OperationalError) and query.timer is None:
            self._grow_at = asyncio.get_running_loop().time() + GROW_AGAIN
            self._again.append(query)
        else:
            self._be_away(query, type(error).__name__)

    def _be_away(self, query: Query, reason: str) -> None:
        """Fail ``query`` and all that wait, and those that come until the database is back."""
        self.reason = reason
        failing, self._again = [query, *self._again], []
        while (waiting := self._next_query()) is not None:
            failing.append(waiting)
        for each in failing:
            each.is_done = True
            each.fail(DatabaseUnavailable(reason))
        if self._recovery is None and not self._is_closed:
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Try what a request would need, until it succeeds."""
        while self.reason and not self._is_closed:
            await asyncio.sleep(RETRY_DELAY)
            query = self._probing = self._probe()
            query.was_repeated = True  # once is enough
            self._open += 1
            try:
                await self._execute(query, None)
            except (psycopg.Error, TimeoutError, OSError) as error:
                self.reason = type(error).__name__
            else:
                self.reason = ""
            finally:
                self._probing = None
                if query.timer is not None:
                    query.timer.cancel()
        self._recovery = None
