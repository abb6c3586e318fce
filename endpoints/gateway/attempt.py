"""One request through one route: signed, sent, and its answer passed on."""

import asyncio
import time
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from apikeys.sealing import CannotOpen, open_sealed

from . import failures
from .answers import (
    GOOGLE_REFUSES,
    REDIRECTS,
    REFUSED,
    WORTH_ANOTHER_ROUTE,
    outcome_of,
    read_error,
    without,
)
from .directory import Found, FoundRoute
from .exchange import NEVER, Exchange
from .failures import RouteFailed
from .headers import Outgoing, sort_answer
from .outbound import WrongDialect, unsigned_request
from .plans import plan_of
from .problems import Problem
from .signing import CannotSign, Credentials, Refused
from .tally import Tally, Tokens
from .upstream import Answer, Broken, Request, Unreachable

if TYPE_CHECKING:
    from .relay import Relay

WHOLE = 1024 * 1024  # bytes: an answer that says it is smaller is sent on at once, not in chunks
LAST_WORD_SECONDS = 2  # for a caller, who may be the one who stalls, to take a stream's last event
SECRET_FROM = 8  # characters: a shorter value is no secret that one could find again in a text


class Attempt:
    """One request through one route."""

    def __init__(
        self, relay: "Relay", exchange: Exchange, found: Found, route: FoundRoute, *, is_last: bool
    ) -> None:
        self._relay, self._exchange, self._found = relay, exchange, found
        self._route, self._is_last = route, is_last
        self._secrets: list[bytes] = []
        self._outgoing = Outgoing()

    async def run(self) -> None:
        """Serve, or raise ``RouteFailed`` while the caller has not seen anything."""
        started = time.perf_counter()
        outcome, tokens = "cancelled", None
        try:
            outcome, tokens = await self._serve()
        except RouteFailed as failure:
            outcome = failure.outcome
            raise
        except Problem:
            outcome = "caller_errors"
            raise
        finally:
            seconds = time.perf_counter() - started
            self._relay.count(self._found, self._route, outcome, seconds, tokens)

    async def _serve(self) -> tuple[str, Tokens | None]:
        relay, exchange = self._relay, self._exchange
        answer = None
        exchange.deadline = relay.watch.seconds(relay.first_byte_seconds)
        try:
            request = await self._signed_request()
            answer = await relay.upstream.send(request)
            self._outgoing = sort_answer(answer.headers, self._secrets)
            self._check_status(answer.status)
            return await self._pass_on(answer)
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
            plan = plan_of(route.transport, route.config)
            opened = open_sealed(route.sealed, owner=route.owner, towards=plan.origins)
        except (CannotOpen, ValueError, LookupError) as error:
            why = str(error) if isinstance(error, CannotOpen) else "Its address is not a URL."
            raise RouteFailed(failures.unreadable(why), outcome="unreachable") from None
        self._secrets = [value.encode() for value in opened.values() if len(value) >= SECRET_FROM]
        try:
            request, destination = unsigned_request(self._exchange, route, plan)
            key = Credentials(route.owner, plan, opened)
            obtained = await self._relay.signing.sign(request, destination.headers, key)
            self._secrets += [value.encode() for value in obtained]
        except WrongDialect:
            problem = failures.wrong_dialect(self._exchange.call.dialect)
            raise RouteFailed(problem, outcome="caller_errors") from None
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
        if status < 300:
            if self._route.was_refused:
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

    async def _pass_on(self, answer: Answer) -> tuple[str, Tokens | None]:
        exchange, outgoing, watch = self._exchange, self._outgoing, self._relay.watch
        route = self._route
        idle = self._relay.idle_seconds
        exchange.deadline = watch.seconds(idle)
        headers = [
            *outgoing.sent_back,
            (b"x-gatehouse-route", _name(route.id, route.key_name, route.model)),
        ]
        if answer.status >= 400:
            body = without(await read_error(answer, outgoing.encoding), self._secrets)
            if answer.status == 400 and GOOGLE_REFUSES in body:
                self._relay.note_refused(self._route, answer.status)
                raise RouteFailed(failures.key_refused(400), outcome="refused", refused=True)
            headers = [item for item in headers if item[0] != b"content-encoding"]
            await exchange.answer(answer.status, headers, body)
            return outcome_of(answer.status), None
        tally = Tally(outgoing.content_type, outgoing.encoding)
        if outgoing.length is not None and outgoing.length <= WHOLE:
            body = await answer.read()
            await exchange.answer(answer.status, headers, body)
            tally.feed(body)
            return "", tally.finish()
        await exchange.begin(answer.status, headers)
        async for chunk in answer.chunks():
            await exchange.write(chunk)
            tally.feed(chunk)
            exchange.deadline = watch.seconds(idle)
        await exchange.end()
        return "", tally.finish()

    async def _give_up(self, problem: Problem) -> tuple[str, None]:
        """Fail the route; or end a stream that has begun: with an event that tells why, or, where
        there are no events, without the mark of its end, so that it does not look whole."""
        exchange = self._exchange
        if not exchange.has_begun:
            raise RouteFailed(problem, outcome="unreachable")
        if self._outgoing.is_plain_stream:
            exchange.deadline = self._relay.watch.seconds(LAST_WORD_SECONDS)
            await exchange.end(problem.event(exchange.call.dialect, exchange.request_id))
        return "unreachable", None


@lru_cache(maxsize=4096)
def _name(number: int, key: str, model: str) -> bytes:
    return f"{number}; key={quote(key)}; model={quote(model)}".encode()
