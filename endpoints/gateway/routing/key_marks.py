"""Records which keys a provider refuses or restricts, and that it serves them again.

A state is written once, however many requests report it, and confirmed once a minute while it
lasts. It ends when a request succeeds after ``QUIET`` without a refusal.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import close_old_connections, connections

from apikeys.services import (
    Call,
    mark_accepted,
    mark_if_test_refuses,
    mark_refused,
    mark_restricted,
    mark_served,
)
from endpoints.gateway.lookup.directory import FoundRoute

from .verdicts import Failure

logger = logging.getLogger(__name__)

PAUSE = 60  # seconds between two writes of this process about the same


class KeyMarks:
    """Writes what the requests of one process report about keys."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._testing = ThreadPoolExecutor(1, "gateway-test")  # waits for providers
        self._writing: dict[tuple[Any, ...], asyncio.Future[None]] = {}
        self._written: dict[tuple[Any, ...], float] = {}

    async def close(self) -> None:
        """Wait until every mark is written."""
        await asyncio.gather(*self._writing.values())
        self._testing.submit(connections.close_all)
        self._testing.shutdown()

    def note_refused(self, route: FoundRoute, status: int, code: str = "") -> None:
        mark = partial(mark_refused, status=status, code=code)
        self._write("refused", route, mark, is_known=route.refused_at is not None)

    def note_suspected(self, route: FoundRoute) -> None:
        """A key was refused at a path that a client chose: its own test shows whether it is valid,
        at most once a minute."""
        self._write("suspected", route, mark_if_test_refuses, is_known=True, by=self._testing)

    def note_restricted(self, route: FoundRoute, call: Call, failure: Failure) -> None:
        mark = partial(
            mark_restricted,
            call=call,
            cause=failure.cause,
            status=failure.status,
            code=failure.code,
        )
        self._write("restricted", route, mark, *call, is_known=route.restricted)

    def note_served(self, route: FoundRoute, call: Call) -> None:
        """A request succeeded with a key that was refused or restricted."""
        if route.refused_at is not None:
            self._write("accepted", route, mark_accepted, is_known=True)
        if route.restricted:
            self._write("served", route, partial(mark_served, call=call), *call, is_known=True)

    def _write(
        self,
        what: str,
        route: FoundRoute,
        mark: Callable[..., bool],
        *call: str,
        is_known: bool,
        by: Executor | None = None,
    ) -> None:
        """Write a mark once, however many requests report the same concurrently; if something like
        it ``is_known``, at most once a minute."""
        key = (what, route.version_id, *call)
        now = time.monotonic()
        if key in self._writing or (is_known and now - self._written.get(key, -PAUSE) < PAUSE):
            return

        def write() -> None:
            try:
                close_old_connections()
                mark(route.key_id, version_id=route.version_id)
                self._written[key] = now
            except Exception as error:  # noqa: BLE001 - the next request reports it again
                logger.error(
                    "Could not record that a provider refused or accepted a key: %s",
                    type(error).__name__,
                )

        if len(self._written) > 10_000:
            self._written = {key: at for key, at in self._written.items() if now - at < PAUSE}
        future = asyncio.get_running_loop().run_in_executor(by or self._executor, write)
        self._writing[key] = future
        future.add_done_callback(lambda _: self._writing.pop(key))
