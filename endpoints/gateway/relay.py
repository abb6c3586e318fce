"""What all requests of a process share on their way to the providers."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from apikeys.services import mark_accepted, mark_refused

from . import failures
from .attempt import Attempt
from .calls import Call
from .directory import Found, FoundRoute
from .exchange import Exchange
from .failures import RouteFailed
from .plans import plan_of
from .routing import Pauses, in_order
from .signing import Signing
from .upstream import Upstream
from .usage import UsageCounter
from .watch import Watch

logger = logging.getLogger(__name__)

MARKED_FOR = timedelta(minutes=1)  # at least, once a provider has refused a key


class Relay:
    """Takes a request to a provider, to another one if that fails, and the answer back."""

    def __init__(
        self, upstream: Upstream, watch: Watch, usage: UsageCounter, executor: Executor
    ) -> None:
        self.upstream, self.watch = upstream, watch
        self.signing = Signing(upstream)
        self.pauses = Pauses()
        self.first_byte_seconds = settings.GATEWAY_FIRST_BYTE_SECONDS
        self.idle_seconds = settings.GATEWAY_IDLE_SECONDS
        self._usage = usage
        self._executor = executor
        self._marks: dict[object, asyncio.Future[None]] = {}

    async def settle(self) -> None:
        """Wait until what was learned of keys is written down."""
        await asyncio.gather(*self._marks.values())

    async def serve(self, exchange: Exchange, found: Found) -> None:
        """Answer ``exchange`` through the first route that serves. Raises ``Problem``."""
        waiting = self.pauses.put_last(in_order(_able(exchange.call, found.routes)))
        problem = None
        while waiting:
            route = waiting.pop(0)
            attempt = Attempt(self, exchange, found, route, is_last=not waiting)
            try:
                return await attempt.run()
            except RouteFailed as failure:
                problem = failure.problem
                if failure.refused:
                    waiting = [other for other in waiting if other.key_id != route.key_id]
        raise problem or failures.no_working_key(any(route.key_id for route in found.routes))

    def count(self, found: Found, route: FoundRoute, *counts: Any) -> None:
        who = (found.endpoint_id, route.id, route.key_id, found.token_id, route.model)
        self._usage.add(who, *counts)

    def note_refused(self, route: FoundRoute, status: int) -> None:
        self.signing.forget(route.owner)
        if route.refused_at is None:
            self._mark(route, mark_refused, status=status)

    def note_accepted(self, route: FoundRoute) -> None:
        """Take the mark away, but not at once: who may use one API of a provider and not another
        would fill the history with every pair of calls."""
        if route.refused_at and datetime.now(UTC) - route.refused_at > MARKED_FOR:
            self._mark(route, mark_accepted)

    def _mark(self, route: FoundRoute, mark: Callable[..., bool], **facts: Any) -> None:
        """Write it down beside the requests; once, however many learn the same meanwhile."""
        if route.version_id in self._marks:
            return

        def write() -> None:
            try:
                close_old_connections()
                mark(route.key_id, version_id=route.version_id, **facts)
            except Exception as error:  # noqa: BLE001 - the next request will learn it again
                logger.error("What a provider said of a key is lost: %s", type(error).__name__)

        future = asyncio.get_running_loop().run_in_executor(self._executor, write)
        self._marks[route.version_id] = future
        future.add_done_callback(lambda _: self._marks.pop(route.version_id))


def _able(call: Call, routes: Sequence[FoundRoute]) -> Sequence[FoundRoute]:
    """Leave out what speaks another dialect, unless nothing else is there: then that is told."""
    if len(routes) < 2 or call.is_native:
        return routes
    return [route for route in routes if _speaks(route, call.dialect)] or routes


def _speaks(route: FoundRoute, dialect: str) -> bool:
    try:
        return plan_of(route.transport, route.config).speaks(dialect)
    except (ValueError, LookupError):
        return True  # the attempt tells what is wrong with it
