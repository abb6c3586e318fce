"""Counts requests in memory and writes the counts to the database in the background.

A process that is killed loses at most ``WRITE_EVERY`` seconds and the time of one write.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime

from django.db import close_old_connections

from .counts import Counts, Outcome
from .response_parser import Tokens
from .services import UsageKey, UsageOwner, add_usage

logger = logging.getLogger(__name__)

WRITE_EVERY = 1.0  # seconds


def _write(counts: Mapping[UsageKey, Counts], now: datetime) -> None:
    close_old_connections()  # one that the database has dropped is replaced
    add_usage(counts, now)


class UsageCounter:
    """One process's counts of the current second."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._counts: dict[UsageKey, Counts] = {}
        self._writer: asyncio.Task[None] | None = None
        self._is_closed = self._is_failing = False

    def add(
        self,
        owner: UsageOwner,
        outcome: Outcome,
        seconds: float,
        tokens: Tokens | None = None,
        first_byte_seconds: float | None = None,
    ) -> None:
        """Count one request."""
        key = (int(time.time() // 3600), owner)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = Counts()
        first_byte_ms = None if first_byte_seconds is None else int(first_byte_seconds * 1000)
        counts.add(outcome, int(seconds * 1000), first_byte_ms)
        if tokens is not None:
            counts.input_tokens += tokens.input
            counts.output_tokens += tokens.output
            counts.cached_tokens += tokens.cached
        if self._writer is None:
            self._start_writer()

    def _start_writer(self) -> None:
        if self._writer is None and not self._is_closed:
            self._writer = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        await asyncio.sleep(WRITE_EVERY)
        self._writer = None
        await self.write()
        if self._counts:  # writing failed, and maybe no request comes that would try again
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
        except Exception as error:  # noqa: BLE001 - whatever the error, serving goes on
            if not self._is_failing:  # it is tried again every second
                logger.error("Could not write usage: %s", type(error).__name__)
            self._is_failing = True
            for key, values in counts.items():
                newer = self._counts.get(key)
                self._counts[key] = values.plus(newer) if newer else values
        else:
            self._is_failing = False
