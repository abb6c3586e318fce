"""The access log: one line of JSON for each request, without content and credentials.

Lines are written once a second, in the background. A process that is killed loses the last second.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import close_old_connections

from apikeys.models import ApiKey
from endpoints.models import GatewayToken

from .http.paths import Call
from .http.record import RequestRecord
from .routing.verdicts import GOOGLE_METHODS

logger = logging.getLogger(__name__)

WRITE_EVERY = 1.0  # seconds
MOST = 50_000  # requests that wait to be written; more are left out, and counted


class AccessLog:
    """The requests of one process that are not written yet."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting: list[RequestRecord] = []
        self._left_out = 0
        self._writer: asyncio.Task[None] | None = None

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

    async def _write_soon(self) -> None:
        await asyncio.sleep(WRITE_EVERY)
        await self._write()
        self._writer = asyncio.create_task(self._write_soon()) if self._waiting else None

    async def _write(self) -> None:
        records, self._waiting = self._waiting, []
        left_out, self._left_out = self._left_out, 0
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, _write_lines, records, left_out)


def _write_lines(records: Sequence[RequestRecord], left_out: int) -> None:
    """Write the lines, with the names that tokens and providers have now."""
    tokens: Mapping[int, str] = {}
    providers: Mapping[UUID, str] = {}
    try:
        close_old_connections()
        token_ids = {each.token_id for each in records if each.token_id is not None}
        tokens = dict(GatewayToken.objects.filter(pk__in=token_ids).values_list("pk", "name"))
        tried = [each.attempts[-1].route.key_id for each in records if each.attempts]
        keys = ApiKey.objects.filter(pk__in={key_id for key_id in tried if key_id is not None})
        providers = dict(keys.values_list("pk", "scheme__provider__slug"))
    except Exception as error:  # noqa: BLE001 - the lines are worth more than their names
        logging.getLogger("endpoints.gateway").error(
            "The access log has no names of tokens and providers: %s", type(error).__name__
        )
    for record in records:
        logger.info("%s", json.dumps(_line(record, tokens, providers)))
    if left_out:
        logger.info("%s", json.dumps({"left_out": left_out}))


def _line(
    record: RequestRecord, tokens: Mapping[int, str], providers: Mapping[UUID, str]
) -> dict[str, Any]:
    last = record.attempts[-1] if record.attempts else None
    route = last.route if last else None
    used = last.tokens if last else None
    if used is not None and not (used.input or used.output):
        used = None  # the provider did not report them
    first_byte = record.first_byte_at and record.first_byte_at - record.began
    return {
        "time": datetime.fromtimestamp(record.began, UTC).isoformat(timespec="milliseconds"),
        "request_id": record.request_id,
        "endpoint": record.endpoint or None,
        "token": tokens.get(record.token_id, f"#{record.token_id}") if record.token_id else None,
        "operation": operation_of(record.call),
        "provider": providers.get(route.key_id) if route and route.key_id else None,
        "api_key": route.key_name if route else None,
        "model": route.model if route else None,
        "status": record.status,
        "error": record.error or None,
        "outcome": last.outcome.label if last else None,
        "attempts": len(record.attempts),
        "input_tokens": used.input if used else None,
        "output_tokens": used.output if used else None,
        "cached_tokens": used.cached if used else None,
        "latency_ms": _milliseconds(record.ended - record.began),
        "ttfb_ms": None if first_byte is None else _milliseconds(first_byte),
    }


def operation_of(call: Call | None) -> str | None:
    """Name what is called, from a fixed set: a client may write anything into a path."""
    if call is None:
        return None
    if call.is_native:
        return "native"
    if call.google_method:
        return call.google_method if call.google_method in GOOGLE_METHODS else "other"
    return "models" if call.lists else call.api or "other"


def _milliseconds(seconds: float) -> float:
    return round(max(seconds, 0) * 1000, 1)
