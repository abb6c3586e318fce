"""What all requests of a process share on their way to the providers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from apikeys.services import mark_accepted, mark_refused

from . import failures
from .attempt import Attempt
from .directory import Found, FoundRoute
from .exchange import Exchange
from .failures import RouteFailed
from .routing import Pauses, in_order
from .signing import Signing
from .upstream import Upstream
from .usage import UsageCounter
from .watch import Watch


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
        self._marks: set[asyncio.Future[Any]] = set()

    async def settle(self) -> None:
        """Wait until what was learned of keys is written down."""
        await asyncio.gather(*self._marks, return_exceptions=True)

    async def serve(self, exchange: Exchange, found: Found) -> None:
        """Answer ``exchange`` through the first route that serves. Raises ``Problem``."""
        waiting = self.pauses.put_last(in_order(found.routes))
        has_key = any(route.key_id for route in found.routes)
        problem = failures.key_disabled() if has_key else failures.no_key()
        while waiting:
            route = waiting.pop(0)
            attempt = Attempt(self, exchange, found, route, is_last=not waiting)
            try:
                return await attempt.run()
            except RouteFailed as failure:
                problem = failure.problem
                if failure.refused:
                    waiting = [other for other in waiting if other.key_id != route.key_id]
        raise problem

    def count(self, found: Found, route: FoundRoute, *counts: Any) -> None:
        who = (found.endpoint_id, route.id, route.key_id, found.token_id, route.model)
        self._usage.add(who, *counts)

    def note_refused(self, route: FoundRoute, status: int) -> None:
        self.signing.forget(route.owner)
        self._mark(mark_refused, route.key_id, version_id=route.version_id, status=status)

    def note_accepted(self, route: FoundRoute) -> None:
        self._mark(mark_accepted, route.key_id, version_id=route.version_id)

    def _mark(self, mark: Callable[..., bool], *args: Any, **kwargs: Any) -> None:
        def marked() -> None:
            close_old_connections()
            mark(*args, **kwargs)

        future = asyncio.get_running_loop().run_in_executor(self._executor, marked)
        self._marks.add(future)
        future.add_done_callback(self._marks.discard)
