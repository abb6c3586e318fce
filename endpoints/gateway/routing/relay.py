"""Takes requests to the providers of an endpoint's routes."""

from collections.abc import Sequence
from concurrent.futures import Executor

from django.conf import settings

from endpoints.gateway.http.deadlines import Deadline
from endpoints.gateway.http.exchange import ClientRequest, Exchange
from endpoints.gateway.http.paths import Call
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.lookup.directory import Found, FoundRoute
from endpoints.gateway.signing import Signing
from endpoints.gateway.upstream.client import Upstream
from endpoints.usage.counts import Outcome
from endpoints.usage.recorder import UsageCounter

from . import failures
from .affinity import Affinity
from .attempt import Attempt, Resources
from .circuit_breaker import CircuitBreaker
from .conversations import conversation_of
from .destinations import plan_of
from .failures import KeyRefused, RouteFailed
from .key_marks import KeyMarks
from .pauses import Pauses, called, in_order, usable


class Relay:
    """Takes a request to a provider, to another one if that fails, and the response back."""

    def __init__(self, upstream: Upstream, usage: UsageCounter, executor: Executor) -> None:
        self._marks, self._pauses = KeyMarks(executor), Pauses()
        self._breaker = CircuitBreaker(executor)
        self._affinity = Affinity(executor)
        self._resources = Resources(
            upstream=upstream,
            signing=Signing(upstream),
            pauses=self._pauses,
            breaker=self._breaker,
            marks=self._marks,
            usage=usage,
            first_byte_seconds=settings.GATEWAY_FIRST_BYTE_SECONDS,
            idle_seconds=settings.GATEWAY_IDLE_SECONDS,
            keep_alive_seconds=settings.GATEWAY_SSE_KEEP_ALIVE_SECONDS,
            retries_timeouts=settings.GATEWAY_RETRY_TIMEOUTS,
        )

    async def settle(self) -> None:
        """Wait until everything about keys and routes is written."""
        await self._breaker.close()
        await self._marks.close()

    async def serve(
        self, exchange: Exchange, deadline: Deadline, request: ClientRequest, found: Found
    ) -> None:
        """Respond through the first route that serves. Raises ``Refusal``."""
        routes: Sequence[FoundRoute] = found.routes
        if len(routes) > 1 and not request.call.is_native:
            # If no route has the API that the client calls, the attempt reports that.
            routes = [route for route in routes if _serves(route, request.call)] or routes
        affinity = self._affinity if len({route.key_id for route in routes}) > 1 else None
        if affinity is not None:
            routes = await affinity.routes_for(request, routes, found)
            if found.stale_seconds is not None:
                affinity = None  # what is created cannot be written
        if request.names_no_model:  # what an earlier call has created is not elsewhere
            waiting = usable(routes)[:1]
        else:
            is_sticky = found.sticky and len(routes) > 1
            ordered = in_order(routes, conversation_of(request) if is_sticky else b"")
            waiting = self._pauses.put_last(ordered, called(request.call))
            waiting = self._breaker.put_last(waiting)
        failed: RouteFailed | None = None
        while waiting:
            route = waiting.pop(0)
            attempt = Attempt(self._resources, exchange, deadline, request, found, route, affinity)
            try:
                await attempt.run()
                return
            except RouteFailed as failure:
                is_last = failure.is_final or request.is_spent
                failed = failure if is_last else failure.or_earlier(failed)
                if is_last:
                    break
                if isinstance(failure, KeyRefused) or failure.outcome is Outcome.REFUSED:
                    waiting = [other for other in waiting if other.key_id != route.key_id]
                elif failure.is_about_the_key:
                    same = [other for other in waiting if other.key_id == route.key_id]
                    waiting = [other for other in waiting if other not in same] + same
        if failed is None:
            has_key = any(route.key_id for route in found.routes)
            reason = failures.NO_USABLE_KEY if has_key else failures.NO_KEY
            raise Refusal(Problem.NO_WORKING_KEY, reason=reason)
        if isinstance(failed.answer, Refusal):
            raise failed.answer
        deadline.expire_in(self._resources.idle_seconds)
        error = failed.answer
        await exchange.respond(error.status, error.headers, error.body, declared=error.declared)


def _serves(route: FoundRoute, call: Call) -> bool:
    try:
        return plan_of(route.transport, route.config).serves(call.dialect, call.api)
    except (ValueError, LookupError):
        return True  # the attempt reports what is wrong with it
