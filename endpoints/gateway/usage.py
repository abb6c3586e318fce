"""Counts requests in memory and writes the counts to the database, away from the requests.

What was not yet written is lost with the process: at most ``WRITE_EVERY`` seconds and the time of
one write.
"""

import asyncio
import logging
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime

from django.db import close_old_connections

from endpoints.models.usage import COUNTS, LATENCIES, LATENCY_BOUNDS
from endpoints.services import UsageKey, add_usage

from .tally import Tokens

logger = logging.getLogger(__name__)

WRITE_EVERY = 1.0  # seconds
_COLUMNS = (*COUNTS, *LATENCIES)
_PLACES = {name: place for place, name in enumerate(_COLUMNS)}
_FIRST_LATENCY = len(COUNTS)


def _write(counts: Mapping[UsageKey, Sequence[int]], now: datetime) -> None:
    close_old_connections()  # one that the database has dropped is replaced
    add_usage(counts, now)


class UsageCounter:
    """One process's counts of the current second."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._counts: dict[UsageKey, list[int]] = {}
        self._writer: asyncio.Task[None] | None = None
        self._is_closed = False

    def add(
        self, who: tuple[object, ...], outcome: str, seconds: float, tokens: Tokens | None = None
    ) -> None:
        """Count one request of ``who``: endpoint, route, API key, token, model.

        ``outcome`` is ``""`` where it went well, or the name of the column that counts its kind
        of failure.
        """
        now = time.time()
        key = (int(now // 3600), *who)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * len(_COLUMNS)
        milliseconds = int(seconds * 1000)
        counts[0] += 1
        counts[_PLACES["duration_ms"]] += milliseconds
        counts[_FIRST_LATENCY + bisect_left(LATENCY_BOUNDS, milliseconds)] += 1
        if outcome:
            counts[_PLACES[outcome]] += 1
        if tokens is not None:
            counts[_PLACES["input_tokens"]] += tokens.input
            counts[_PLACES["output_tokens"]] += tokens.output
            counts[_PLACES["cached_tokens"]] += tokens.cached
        if self._writer is None:
            self._start_writer()

    def _start_writer(self) -> None:
        if self._writer is None and not self._is_closed:
            self._writer = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        await asyncio.sleep(WRITE_EVERY)
        self._writer = None
        await self.write()
        if self._counts:  # that failed, and maybe no request comes that would try again
            self._start_writer()

    async def close(self) -> None:
        """Write for the last time."""
        self._is_closed = True
        if self._writer is not None:
            self._writer.cancel()
        await self.write()

    async def write(self) -> None:
        """Write what has been counted. What cannot be written now is kept for the next time."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        now = datetime.now(UTC)
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, _write, counts, now)
        except Exception as error:  # noqa: BLE001 - whatever the database says, serving goes on
            logger.error("Usage could not be written: %s", type(error).__name__)
            for key, values in counts.items():
                have = self._counts.setdefault(key, [0] * len(_COLUMNS))
                self._counts[key] = [old + new for old, new in zip(have, values, strict=True)]
