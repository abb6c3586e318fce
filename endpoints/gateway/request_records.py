"""Takes the records of requests to the access log and to OpenTelemetry, whichever is on.

Once a second, in the background, so that no request waits for it. A process that is killed loses
the last second.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Self

from django.conf import settings
from django.db import close_old_connections

from apikeys.models import ApiKey
from endpoints.models import GatewayToken

from .access_log import write_lines
from .http.exchange import Exchange, RawHeaders
from .http.record import Names, RequestRecord, Trace

logger = logging.getLogger(__name__)

WRITE_EVERY = 1.0  # seconds
MOST = 50_000  # requests that wait; more are left out, and counted


class RequestRecords:
    """The requests of one process that are not written yet."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._sinks: list[Callable[[Sequence[RequestRecord], Names], None]] = []
        self._trace_of: Callable[[RawHeaders], Trace] | None = None
        self._close_telemetry: Callable[[], None] = lambda: None
        if settings.GATEWAY_ACCESS_LOG:
            self._sinks.append(write_lines)
        if settings.GATEWAY_OPENTELEMETRY:
            from .telemetry import Telemetry  # its libraries are installed for nothing else

            telemetry = Telemetry()
            self._sinks.append(telemetry.write)
            self._trace_of, self._close_telemetry = telemetry.trace_of, telemetry.close
        self._waiting: list[RequestRecord] = []
        self._left_out = 0
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    def if_wanted(cls, executor: Executor) -> Self | None:
        """Return them if anything wants to know about requests."""
        is_wanted = settings.GATEWAY_ACCESS_LOG or settings.GATEWAY_OPENTELEMETRY
        return cls(executor) if is_wanted else None

    def begin(self, exchange: Exchange, headers: RawHeaders) -> None:
        """Record what happens in ``exchange``."""
        trace = None if self._trace_of is None else self._trace_of(headers)
        exchange.record = RequestRecord(exchange.request_id, exchange.method, trace)

    def add(self, record: RequestRecord) -> None:
        """Write ``record`` soon. Its request has ended."""
        if len(self._waiting) >= MOST:
            self._left_out += 1
            return
        self._waiting.append(record)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_soon())

    async def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.cancel()
        await self._write()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._close_telemetry)

    async def _write_soon(self) -> None:
        await asyncio.sleep(WRITE_EVERY)
        await self._write()
        self._writer = asyncio.create_task(self._write_soon()) if self._waiting else None

    async def _write(self) -> None:
        records, self._waiting = self._waiting, []
        left_out, self._left_out = self._left_out, 0

        def write() -> None:
            names = _names(records)
            for sink in self._sinks:
                try:
                    sink(records, names)
                except Exception as error:  # noqa: BLE001 - the next requests are written
                    logger.error("Could not record requests: %s", type(error).__name__)
            if left_out:
                logger.error("%s requests were not recorded: too many at once.", f"{left_out:,}")

        await asyncio.get_running_loop().run_in_executor(self._executor, write)


def _names(records: Sequence[RequestRecord]) -> Names:
    """Look up the names of the tokens and of the keys' providers, for all records together."""
    token_ids = {each.token_id for each in records if each.token_id is not None}
    key_ids = {
        attempt.route.key_id
        for record in records
        for attempt in record.attempts
        if attempt.route.key_id is not None
    }
    try:
        close_old_connections()
        tokens = GatewayToken.objects.filter(pk__in=token_ids).values_list("pk", "name")
        keys = ApiKey.objects.filter(pk__in=key_ids)
        return Names(dict(tokens), dict(keys.values_list("pk", "scheme__provider__slug")))
    except Exception as error:  # noqa: BLE001 - the records are worth more than the names
        logger.error("No names of tokens and providers: %s", type(error).__name__)
        return Names({}, {})
