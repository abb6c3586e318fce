"""The ASGI application below ``/gateway/``."""

import asyncio
import gc
import json
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import connections

from .admission import NO_TOKEN, check_admission, check_token
from .aiohttp_upstream import AiohttpUpstream
from .bodies import Body, Gone, GoogleBody, take_in
from .calls import is_name, parse_call
from .directory import Away, Directory
from .exchange import NEVER, Exchange
from .headers import sort_headers
from .listing import list_endpoints
from .postgres_directory import PostgresDirectory
from .problems import Problem
from .relay import Relay
from .sqlite_directory import SqliteDirectory
from .usage import UsageCounter
from .watch import Watch

logger = logging.getLogger(__name__)

STRANGERS = 16 * 1024  # bytes: a body above is taken in and read only for those with a token
LARGE = 256 * 1024  # bytes: a body above is read beside the event loop
BODY_SECONDS = 120  # for a caller to send the whole body

DATABASE_AWAY = Problem(
    503,
    "database_away",
    "The gateway cannot read its database at the moment. Try again.",
    {"retry-after": "2"},
)

TOO_SLOW = Problem(
    408, "body_too_slow", "The body did not arrive in time.", {"connection": "close"}
)
OUR_FAULT = Problem(
    500, "internal_error", "The gateway made a mistake. Its log says where; please report it."
)


class InTheMiddle(Exception):
    """Something failed after the answer had begun. The server closes the connection."""


class Gateway:
    """Serves applications, on one event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Take up work on the running event loop."""
        self._loop = asyncio.get_running_loop()
        gc.collect()
        gc.freeze()  # Django's own objects need not be looked through again and again
        self._executor = ThreadPoolExecutor(1, "gateway-db")
        self._directory: Directory = open_directory()
        self._upstream = AiohttpUpstream(settings.GATEWAY_CONNECT_SECONDS)
        self.usage = UsageCounter(self._executor)
        self._watch = Watch()
        self._relay = Relay(self._upstream, self._watch, self.usage, self._executor)
        self._max_body = settings.GATEWAY_MAX_BODY_MB * 1024 * 1024

    async def stop(self) -> None:
        """Write what was counted, and let go of every connection."""
        if self._loop is None:
            return
        self._loop = None
        self._watch.stop()
        await self._relay.settle()
        await self.usage.close()
        await self._directory.close()
        await self._upstream.close()
        self._executor.submit(connections.close_all)
        self._executor.shutdown()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._loop is not asyncio.get_running_loop():
            self.start()
        exchange = Exchange(scope, receive, send)
        try:
            with self._watch.over(exchange):
                await self._serve(exchange, scope, receive)
        except Problem as problem:
            # Some are raised again and again, and would keep every request in their traceback.
            await exchange.refuse(problem.with_traceback(None))
        except Away:
            logger.error("The gateway cannot read its database.")
            await exchange.refuse(DATABASE_AWAY)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - the caller gets an answer, whatever it was
            # Where, but not what: the message of an exception may hold anything.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s in the gateway\n%s", type(error).__name__, where)
            if exchange.has_begun:
                raise InTheMiddle from None
            await exchange.refuse(OUR_FAULT)

    async def _serve(self, exchange: Exchange, scope: dict[str, Any], receive: Any) -> None:
        incoming = exchange.incoming = sort_headers(scope["headers"])
        call = exchange.call = parse_call(
            scope["method"], scope.get("raw_path") or scope["path"].encode(), incoming.dialect
        )
        if not incoming.token:
            raise NO_TOKEN
        digest = sha256(incoming.token.encode("latin-1")).hexdigest()
        if call.lists:
            await self._list(exchange, digest)
            return
        if incoming.declared is None or incoming.declared > STRANGERS:
            check_token(await self._directory.find(digest, ""))
        raw = await self._take_in(exchange, receive)
        name, exchange.body = call.endpoint, raw
        if call.google_method:
            exchange.body = await _read(raw, GoogleBody, call.endpoint)
        elif not call.is_native:
            exchange.body = await _read(raw, Body, not call.inserts_model)
            name = name or exchange.body.model
        found = await self._directory.find(digest, name if is_name(name) else "")
        check_admission(found, name)
        exchange.since = self._loop.time()
        await self._relay.serve(exchange, found)

    async def _take_in(self, exchange: Exchange, receive: Any) -> bytes:
        exchange.deadline = self._watch.seconds(BODY_SECONDS)
        try:
            return await take_in(receive, declared=exchange.incoming.declared, limit=self._max_body)
        except asyncio.CancelledError:
            if exchange.was_time_out():
                raise TOO_SLOW from None
            raise
        finally:
            exchange.deadline = NEVER

    async def _list(self, exchange: Exchange, digest: str) -> None:
        check_token(await self._directory.find(digest, ""))
        endpoints = await self._directory.endpoints_for(digest)
        body = json.dumps(list_endpoints(exchange.call.dialect, endpoints)).encode()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await exchange.answer(200, headers, body)


async def _read(raw: bytes, kind: type[Body | GoogleBody], *facts: Any) -> Body | GoogleBody:
    if len(raw) < LARGE:
        return kind(raw, *facts)
    return await asyncio.to_thread(kind, raw, *facts)


def open_directory() -> Directory:
    """Return the directory of the database that the settings name."""
    if connections["default"].vendor == "sqlite":
        return SqliteDirectory(str(connections["default"].settings_dict["NAME"]))
    return PostgresDirectory(connections["default"].get_connection_params())
