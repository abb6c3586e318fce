"""The ASGI application below ``/gateway/``."""

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from endpoints.usage.recorder import UsageCounter

from .http.body_reader import ClientDisconnected, Receive
from .http.deadlines import Deadline, Deadlines
from .http.exchange import ClientRequest, Exchange, RawHeaders, Send
from .http.headers import sort_request_headers
from .http.memory_limits import Memory
from .http.paths import SEE_LIST, Call, hint_for, is_name, parse_call
from .http.problems import Problem, Refusal
from .http.request_body import RequestReader
from .http.uploads import MEGABYTE
from .lookup.authorization import check_admission, check_token
from .lookup.directory import DatabaseUnavailable, Directory, Found
from .lookup.last_known import LastKnownDirectory
from .lookup.postgres import PostgresDirectory
from .lookup.sqlite import SqliteDirectory
from .models_endpoint import describe_endpoint, list_endpoints
from .request_records import RequestRecords
from .routing import failures
from .routing.relay import Relay
from .upstream.aiohttp_client import AiohttpUpstream

logger = logging.getLogger(__name__)

UNREAD_LIMIT = 16 * 1024  # bytes of a body that are skipped after a refusal, to keep a connection
MAX_KNOWN_TOKENS = 10_000
CLOSE_SECONDS = 5  # for the last counts to be written
MAX_HEADERS = 256  # of a request; sorting as many takes well below a millisecond
TRACE_HEADERS = ("traceparent", "tracestate")
ENDPOINT_HEADER = b"x-gatehouse-endpoint"  # of calls that name no model


class ResponseAlreadyStarted(Exception):
    """The gateway failed after the response had started. The server closes the connection."""


class Gateway:
    """Serves applications on the event loop that it was made on."""

    def __init__(self, prepare_thread: Callable[[], None] | None = None) -> None:
        """``prepare_thread`` is called in the thread that writes to the database."""
        self.loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, "gateway-db", prepare_thread)
        self._directory = LastKnownDirectory(open_directory(), settings.GATEWAY_MAX_STALENESS)
        self._upstream = AiohttpUpstream(settings.GATEWAY_CONNECT_SECONDS)
        self._usage = UsageCounter(self._executor)
        self._deadlines = Deadlines()
        self._relay = Relay(self._upstream, self._usage, self._executor)
        self._memory = Memory(
            settings.GATEWAY_BUFFER_MB * MEGABYTE, settings.GATEWAY_TOKEN_BUFFER_MB * MEGABYTE
        )
        self._reader = RequestReader(
            max_body=settings.GATEWAY_MAX_BODY_MB * MEGABYTE,
            max_upload=settings.GATEWAY_MAX_UPLOAD_MB * MEGABYTE,
            first_byte_seconds=settings.GATEWAY_FIRST_BYTE_SECONDS,
        )
        self._records = RequestRecords.if_wanted(self._executor)
        self._known_tokens: set[str] = set()  # digests of tokens that were in force

    async def close(self) -> None:
        """Write what was counted, and close every connection. A silent database is not waited for:
        the process has to end in time."""
        self._deadlines.stop()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._relay.settle()
                await self._usage.close()
                if self._records is not None:
                    await self._records.close()
                await self.loop.run_in_executor(self._executor, connections.close_all)
        except TimeoutError:
            logger.error("The database does not respond: the last counts may be lost.")
        self._executor.shutdown(wait=False, cancel_futures=True)
        await self._directory.close()
        await self._upstream.close()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        exchange = Exchange(scope["method"], receive, send)
        if self._records is not None:
            self._records.begin(exchange, scope["headers"])
        try:
            with self._deadlines.of(receive) as deadline:
                await self._serve(exchange, deadline, scope, receive)
        except Refusal as refusal:
            await exchange.refuse(refusal, close=exchange.has_unread_body)
        except (DatabaseUnavailable, DatabaseError, InterfaceError):
            if exchange.has_begun:
                raise ResponseAlreadyStarted from None
            await exchange.refuse(Refusal(Problem.DATABASE_AWAY))
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 - the client gets a response, whatever it was
            # Where, but not what: the message of an exception may contain a secret.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s in the gateway\n%s", type(error).__name__, where)
            if exchange.has_begun:
                raise ResponseAlreadyStarted from None
            await exchange.refuse(Refusal(Problem.INTERNAL_ERROR))
        finally:
            if exchange.record is not None and self._records is not None:
                exchange.record.ended = time.time()
                self._records.add(exchange.record)

    async def _serve(
        self, exchange: Exchange, deadline: Deadline, scope: dict[str, Any], receive: Receive
    ) -> None:
        if len(scope["headers"]) > MAX_HEADERS:
            raise Refusal(Problem.TOO_MANY_HEADERS, limit=MAX_HEADERS)
        headers = sort_request_headers(scope["headers"])
        if headers.declared is not None:
            exchange.has_unread_body = headers.declared > UNREAD_LIMIT
        call = parse_call(
            scope["method"], scope.get("raw_path") or scope["path"].encode(), headers.dialect
        )
        exchange.dialect = call.dialect
        record = exchange.record
        if record is not None:
            record.call = call
            if record.trace is not None:  # which goes on in spans of our own
                kept = [item for item in headers.sent_on if item[0] not in TRACE_HEADERS]
                headers.sent_on = kept
        if call.is_native:
            exchange.native_path, exchange.client_headers = call.path, headers.sent_on
        if not headers.token:
            raise Refusal(Problem.NO_TOKEN)
        digest = sha256(headers.token.encode("latin-1")).hexdigest()
        if call.lists:
            await self._list(exchange, call, digest)
            return
        if digest not in self._known_tokens:
            await self._check_before_body(exchange, digest)
        with self._memory.of(digest) as memory:
            try:
                body = await self._reader.read(exchange, deadline, call, headers, receive, memory)
                name = call.endpoint or getattr(body, "endpoint", "")
                if not name and call.is_open:
                    name = await self._endpoint_without_model(exchange, digest, scope["headers"])
            except Refusal:
                check_token(await self._find(exchange, digest))  # that error comes first
                raise
            found = await self._find(exchange, digest, name)
            if found is None or found.revoked:
                self._known_tokens.discard(digest)
            is_unknown = found is not None and found.endpoint_id is None
            found = check_admission(found, name, hint_for(call) if is_unknown else SEE_LIST)
            request = ClientRequest(
                scope["method"], scope["query_string"], headers, call, body, memory
            )
            await self._relay.serve(exchange, deadline, request, found)

    async def _find(self, exchange: Exchange, digest: str, name: str = "") -> Found | None:
        """Look up the token and the endpoint, and mark a response that is based on old data."""
        found = await self._directory.find(digest, name if is_name(name) else "")
        if found is not None and found.stale_seconds is not None:
            exchange.stale_seconds = found.stale_seconds
        if exchange.record is not None:
            exchange.record.note_found(found, name)
        return found

    async def _check_before_body(self, exchange: Exchange, digest: str) -> None:
        """Raise ``Refusal`` for a token that is not in force, before its body is read.

        A token that was in force is looked up together with its endpoint, once the body is there:
        that saves a query, and nothing is served without it.
        """
        check_token(await self._find(exchange, digest))
        if len(self._known_tokens) >= MAX_KNOWN_TOKENS:
            self._known_tokens.clear()
        self._known_tokens.add(digest)

    async def _list(self, exchange: Exchange, call: Call, digest: str) -> None:
        """Respond with the endpoints that the token may use, or with one of them."""
        check_token(await self._find(exchange, digest))
        endpoints = await self._directory.endpoints_for(digest)
        document = list_endpoints(call.dialect, endpoints)
        if name := call.endpoint:
            chosen = [item for item in endpoints if item[0] == name]
            if not chosen:
                found = await self._find(exchange, digest, name)
                check_admission(found, name)
                raise Refusal(Problem.NO_WORKING_KEY, reason=failures.NO_KEY)
            document = describe_endpoint(call.dialect, *chosen[0])
        headers = [(b"content-type", b"application/json")]
        await exchange.respond(200, headers, json.dumps(document).encode())

    async def _endpoint_without_model(
        self, exchange: Exchange, digest: str, headers: RawHeaders
    ) -> str:
        """Return the endpoint of a call that names no model: that of a header, or the only one that
        the token may use. Raises ``Refusal``."""
        for name, value in headers:
            if name == ENDPOINT_HEADER:
                return value.decode("latin-1").strip()
        check_token(await self._find(exchange, digest))
        endpoints = await self._directory.endpoints_for(digest)
        if len(endpoints) != 1:
            raise Refusal(Problem.NO_ENDPOINT)
        return endpoints[0][0]


def open_directory() -> Directory:
    """Return the directory of the database that the settings name."""
    if connections["default"].vendor == "sqlite":
        return SqliteDirectory(str(connections["default"].settings_dict["NAME"]))
    return PostgresDirectory(connections["default"].get_connection_params())
