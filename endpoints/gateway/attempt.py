"""One request through one route: signed, sent, and its answer passed on."""

import asyncio
import time
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from apikeys.sealing import CannotOpen, open_sealed

from . import failures
from .answers import (
    REDIRECTS,
    REFUSED,
    WORTH_ANOTHER_ROUTE,
    google_refuses,
    outcome_of,
    read_error,
)
from .censor import StreamCensor, hides_any, texts_of, without
from .directory import Found, FoundRoute
from .exchange import NEVER, Exchange
from .failures import RouteFailed
from .headers import Outgoing, sort_answer
from .outbound import WrongDialect, unsigned_request
from .plans import Elsewhere, Plan, plan_of
from .problems import Problem
from .signing import CannotSign, Credentials, Refused
from .tally import Tally
from .upstream import Answer, Broken, Request, TimedOut, Unreachable

if TYPE_CHECKING:
    from .relay import Relay

WHOLE = 1024 * 1024  # bytes: an answer that says it is smaller is sent on at once, not in chunks
UNBUFFERED = (b"x-accel-buffering", b"no")  # nginx before us would hold events back
LAST_WORD_SECONDS = 2  # for a caller, who may be the one who stalls, to take a stream's last event


class Attempt:
    """One request through one route."""

    def __init__(
        self, relay: "Relay", exchange: Exchange, found: Found, route: FoundRoute, *, is_last: bool
    ) -> None:
        self._relay, self._exchange, self._found = relay, exchange, found
        self._route, self._is_last = route, is_last
        self._plan: Plan
        self._secrets: list[bytes] = []
        self._outgoing: Outgoing
        self._tally: Tally | None = None

    async def run(self) -> None:
        """Serve, or raise ``RouteFailed`` while the caller has not seen anything."""
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            outcome = await self._serve()
        except RouteFailed as failure:
            outcome = failure.outcome
            raise
        except Problem:
            outcome = "caller_errors"
            raise
        finally:
            seconds = time.perf_counter() - started
            tokens = self._tally.finish() if self._tally is not None else None
            self._relay.count(self._found, self._route, outcome, seconds, tokens)

    async def _serve(self) -> str:
        """Return what to count the request as."""
        relay, exchange = self._relay, self._exchange
        answer = None
        exchange.deadline = relay.watch.seconds(relay.first_byte_seconds)
        try:
            request = await self._signed_request()
            answer = await relay.upstream.send(request)
            self._outgoing = sort_answer(answer.headers, self._secrets)
            self._check_status(answer.status)
            return await self._pass_on(answer)
        except TimedOut:
            raise RouteFailed(failures.timed_out(), outcome="unreachable") from None
        except Unreachable as error:
            raise RouteFailed(failures.unreachable(str(error)), outcome="unreachable") from None
        except Broken:
            return await self._give_up(failures.broken_off())
        except asyncio.CancelledError:
            if not exchange.was_time_out():
                raise
            return await self._give_up(failures.timed_out())
        finally:
            exchange.deadline = NEVER
            if answer is not None:
                answer.close()

    async def _signed_request(self) -> Request:
        route = self._route
        try:
            plan = self._plan = plan_of(route.transport, route.config)
            opened = open_sealed(route.sealed, owner=route.owner, towards=plan.origins)
            request, destination = unsigned_request(self._exchange, route, plan)
        except (CannotOpen, Elsewhere) as error:
            raise RouteFailed(failures.unreadable(str(error)), outcome="unreachable") from None
        except WrongDialect:
            raise failures.wrong_dialect(self._exchange.call.dialect) from None
        except (ValueError, LookupError):
            problem = failures.unreadable("Its address is not a URL.")
            raise RouteFailed(problem, outcome="unreachable") from None
        self._secrets = texts_of(opened)
        try:
            key = Credentials(route.owner, plan, opened)
            obtained = await self._relay.signing.sign(request, destination.headers, key)
            self._secrets += [value.encode() for value in obtained]
        except Refused as error:
            self._relay.note_refused(route, error.status)
            problem = Problem(503, "key_refused", str(error))
            raise RouteFailed(problem, outcome="refused", refused=True) from None
        except CannotSign as error:
            problem = Problem(503, "cannot_sign", str(error))
            raise RouteFailed(problem, outcome="unreachable") from None
        return request

    def _check_status(self, status: int) -> None:
        """Raise ``RouteFailed`` where another route should be tried, or where nobody may see it."""
        if not 200 <= status < 600:  # no answer that HTTP knows
            raise RouteFailed(failures.broken_off(), outcome="provider_errors")
        if status < 300:
            if self._route.refused_at is not None:
                self._relay.note_accepted(self._route)
            return
        if status in REFUSED:
            self._relay.note_refused(self._route, status)
            raise RouteFailed(failures.key_refused(status), outcome="refused", refused=True)
        if status in REDIRECTS:
            raise RouteFailed(failures.redirected(), outcome="provider_errors")
        if status in (429, 503):
            self._relay.pauses.note(self._route, self._outgoing.retry_after)
        if (status in WORTH_ANOTHER_ROUTE or status >= 500) and not self._is_last:
            raise RouteFailed(failures.broken_off(), outcome=outcome_of(status))

    async def _pass_on(self, answer: Answer) -> str:
        exchange, outgoing, watch = self._exchange, self._outgoing, self._relay.watch
        route = self._route
        idle = self._relay.idle_seconds
        exchange.deadline = watch.seconds(idle)
        headers = [
            *outgoing.sent_back,
            (b"x-gatehouse-route", _name(route.id, route.key_name, route.model)),
        ]
        if answer.status >= 400:
            await self._pass_error_on(answer, headers)
            return outcome_of(answer.status)
        tally = self._tally = Tally(outgoing.content_type, outgoing.encoding)
        is_short = outgoing.length is not None and outgoing.length <= WHOLE
        if is_short or exchange.method == "HEAD":
            body = without(await answer.read(), self._secrets)
            await exchange.answer(answer.status, headers, body, declared=outgoing.length)
            tally.feed(body)
            return ""
        if outgoing.is_plain_stream:
            headers.append(UNBUFFERED)
        await exchange.begin(answer.status, headers)
        censor = StreamCensor(self._secrets)
        async for chunk in answer.chunks():
            if passing := censor.pass_on(chunk):
                await exchange.write(passing)
            tally.feed(chunk)
            exchange.deadline = watch.seconds(idle)
        await exchange.end(censor.rest())
        return ""

    async def _pass_error_on(self, answer: Answer, headers: list[tuple[bytes, bytes]]) -> None:
        exchange, status = self._exchange, answer.status
        body = await read_error(answer, self._outgoing.encoding)
        if status == 400 and self._plan.speaks("google") and google_refuses(body):
            self._relay.note_refused(self._route, status)
            raise RouteFailed(failures.key_refused(status), outcome="refused", refused=True)
        body = without(body, self._secrets)
        if hides_any(body, self._secrets):
            raise RouteFailed(failures.withheld(status), outcome=outcome_of(status))
        headers = [item for item in headers if item[0] != b"content-encoding"]
        await exchange.answer(status, headers, body, declared=self._outgoing.length)

    async def _give_up(self, problem: Problem) -> str:
        """Fail the route; or end a stream that has begun: with an event that tells why, or, where
        there are no events, without the mark of its end, so that it does not look whole."""
        exchange = self._exchange
        if not exchange.has_begun:
            raise RouteFailed(problem, outcome="unreachable")
        if self._outgoing.is_plain_stream:
            exchange.deadline = self._relay.watch.seconds(LAST_WORD_SECONDS)
            await exchange.end(problem.event(exchange.call.dialect, exchange.request_id))
        return "unreachable"


@lru_cache(maxsize=4096)
def _name(number: int, key: str, model: str) -> bytes:
    return f"{number}; key={quote(key)}; model={quote(model)}".encode()
