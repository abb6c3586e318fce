"""The directory on PostgreSQL."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from .directory import FIND, LIST, DatabaseUnavailable, Found, found_in
from .query_sender import Query, QuerySender, Rows

# A standby may be behind. Whether it is one is part of each query: behind a pooler, a connection
# survives that its server is demoted. A primary that only reads has the latest that was committed,
# unless DATABASE_URL demands one that writes.
_IS_PRIMARY = "NOT pg_is_in_recovery()"
_IS_WRITABLE = "current_setting('transaction_read_only') = 'off'"

_LIST_OR_NOTHING = """
SELECT {is_usable}, l.* FROM (VALUES (1)) AS always LEFT JOIN ({list}) AS l ON true ORDER BY l.name
"""
# Who waits for a token with an endpoint.
Wanted = dict[tuple[str, str], list[asyncio.Future[Found | None]]]


class PostgresDirectory:
    """Asks the server each time. One query serves all requests that arrived before it was sent."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._waiting: Wanted = {}
        self._lists: list[Query] = []
        self._sender = QuerySender(
            parameters, next_query=self._next_query, probe=partial(self._find_query, {})
        )
        is_writable = self._sender.parameters.get("target_session_attrs") == "read-write"
        is_usable = _IS_WRITABLE if is_writable else _IS_PRIMARY
        self._find = FIND.format(
            extra=f"{is_usable}, w.number, now(),",
            text="::text",
            source=(
                "unnest(%s::int[], %s::text[], %s::text[]) AS w(number, digest, name) "
                "LEFT JOIN endpoints_gatewaytoken t ON t.digest = w.digest"
            ),
            name="w.name AND t.id IS NOT NULL",
            where="",
        )
        self._list = _LIST_OR_NOTHING.format(is_usable=is_usable, list=LIST.format(digest="%s"))

    async def find(self, digest: str, endpoint: str) -> Found | None:
        self._check_reachable()
        future: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((digest, endpoint), []).append(future)
        self._sender.send_soon()
        return await future

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        self._check_reachable()
        future: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        query = Query(self._list, (digest,), partial(_set, future), partial(_set_error, future))
        self._lists.append(query)
        self._sender.send_soon()
        return [(name, created) for _, name, created in await future if name is not None]

    async def close(self) -> None:
        await self._sender.close()

    def _check_reachable(self) -> None:
        """Raise ``DatabaseUnavailable`` at once during an outage."""
        if self._sender.reason:
            raise DatabaseUnavailable(self._sender.reason)

    def _next_query(self) -> Query | None:
        if self._lists:
            return self._lists.pop(0)
        if not self._waiting:
            return None
        wanted, self._waiting = self._waiting, {}
        return self._find_query(wanted)

    def _find_query(self, wanted: Wanted) -> Query:
        """Return one query for ``wanted``; if that is nothing, one that shows whether it works."""
        asked = [*wanted] or [("", "")]
        parameters = (
            list(range(len(asked))),
            [digest for digest, _ in asked],
            [name for _, name in asked],
        )
        return Query(self._find, parameters, partial(_deliver, wanted), partial(_fail, wanted))


def _deliver(wanted: Wanted, rows: Rows) -> None:
    sorted_rows: list[list[Sequence[Any]]] = [[] for _ in wanted]
    now = rows[0][2]
    for _, number, _, *row in rows:
        if row[0] is not None:  # the token is known
            sorted_rows[number].append(row)
    for futures, each in zip(wanted.values(), sorted_rows, strict=True):
        found = found_in(each, now)
        for future in futures:
            _set(future, found)


def _fail(wanted: Wanted, error: DatabaseUnavailable) -> None:
    for futures in wanted.values():
        for future in futures:
            _set_error(future, error)


def _set(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():  # otherwise its client disconnected
        future.set_result(result)


def _set_error(future: asyncio.Future[Any], error: DatabaseUnavailable) -> None:
    if not future.done():
        future.set_exception(error)
