"""One request through one route: signed, sent, and its response passed on."""

import asyncio
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from apikeys.catalogue.provider_errors import Cause
from apikeys.services import Call as ProviderCall
from endpoints.gateway.http.deadlines import Deadline
from endpoints.gateway.http.exchange import PIECE, ClientRequest, Exchange
from endpoints.gateway.http.headers import ResponseHeaders, sort_response_headers
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.http.record import AttemptRecord
from endpoints.gateway.lookup.directory import Found, FoundRoute
from endpoints.gateway.signing import (
    Signing,
)
from endpoints.gateway.upstream.client import (
    Headers,
    ResponseBroken,
    Unreachable,
    Unsendable,
    Upstream,
    UpstreamResponse,
)
from endpoints.usage.counts import Outcome
from endpoints.usage.recorder import UsageCounter
from endpoints.usage.services import UsageOwner

from . import failures
from .affinity import Affinity
from .circuit_breaker import CircuitBreaker
from .delivery import Delivery, NoAnswer
from .error_responses import (
    MAX_ERROR,
    REDIRECTS,
    ErrorBody,
    ErrorResponse,
    read_error,
    status_within,
)
from .failures import KeyRefused, RouteFailed
from .key_marks import KeyMarks
from .pauses import Extent, Pauses, called, scope_of
from .preparation import Prepared, prepare
from .relative_links import RelativeLinks
from .verdicts import OVERLOADED, concerns_the_key, is_plain, verdict_on

ERROR_SECONDS = 10  # for the body of an error, which another route waits for


@dataclass(frozen=True, slots=True)
class Resources:
    """What all attempts of a process share."""

    upstream: Upstream
    signing: Signing
    pauses: Pauses
    breaker: CircuitBreaker
    marks: KeyMarks
    usage: UsageCounter
    first_byte_seconds: float
    idle_seconds: float
    keep_alive_seconds: float
    retries_timeouts: bool


class Attempt:
    """One request through one route."""

    __slots__ = (
        "_affinity",
        "_deadline",
        "_delivery",
        "_exchange",
        "_first_byte_at",
        "_found",
        "_is_sent",
        "_recorded",
        "_request",
        "_resources",
        "_route",
    )

    def __init__(
        self,
        resources: Resources,
        exchange: Exchange,
        deadline: Deadline,
        request: ClientRequest,
        found: Found,
        route: FoundRoute,
        affinity: Affinity | None,
    ) -> None:
        """``affinity`` remembers what is created, if other requests may go to another key."""
        self._affinity = affinity
        self._resources, self._exchange, self._deadline = resources, exchange, deadline
        self._request, self._found, self._route = request, found, route
        self._is_sent = False  # so that the provider may have begun to work, and bill it
        self._delivery: Delivery | None = None  # of a response that is passed on
        self._first_byte_at: float | None = None
        self._recorded: AttemptRecord | None = None

    async def run(self) -> None:
        """Serve, or raise ``RouteFailed`` while nothing has been sent to the client."""
        breaker, route, record = self._resources.breaker, self._route, self._exchange.record
        if record is not None:
            self._recorded = record.begin_attempt(route)
        started = time.perf_counter()
        outcome = Outcome.CANCELED
        breaker.begin(route, self)
        try:
            outcome = await self._serve()
            if outcome is not Outcome.UNREACHABLE:
                breaker.note_response(route)
        except RouteFailed as failure:
            outcome = failure.outcome
            if failure.silent is not None:
                breaker.note_no_response(route, failure.silent, self)
            elif outcome is not Outcome.UNREACHABLE:
                breaker.note_response(route)
            raise
        except Refusal:
            outcome = Outcome.CLIENT_ERROR
            raise
        finally:
            breaker.end(route, self)
            seconds = time.perf_counter() - started
            tokens = self._delivery.parser.finish() if self._delivery is not None else None
            found = self._found
            owner = UsageOwner(
                found.endpoint_id, route.id, route.key_id, found.token_id, route.model
            )
            if (recorded := self._recorded) is not None:
                recorded.ended, recorded.outcome, recorded.tokens = time.time(), outcome, tokens
            first_byte_at = self._first_byte_at
            first_byte_seconds = None if first_byte_at is None else first_byte_at - started
            self._resources.usage.add(owner, outcome, seconds, tokens, first_byte_seconds)

    async def _serve(self) -> Outcome:
        """Send the request; once more with another token, if a token service issued the one that is
        refused. A token that is new is not replaced if the key is marked: it is refused each time.
        """
        resources, deadline, route = self._resources, self._deadline, self._route
        deadline.expire_in(resources.first_byte_seconds)
        try:
            began = time.monotonic()
            prepared = await prepare(self._request, route, resources.signing, resources.marks)
            ended = time.monotonic()
            try:
                return await self._send(prepared)
            except KeyRefused as refused:
                is_unmarked = self._route.refused_at is None
                if self._request.is_spent or not resources.signing.renew(
                    self._route.owner, began, ended, even_if_new=is_unmarked
                ):
                    self._note_refused(refused)
                    raise
            deadline.expire_in(resources.first_byte_seconds)
            prepared = await prepare(self._request, route, resources.signing, resources.marks)
            try:
                return await self._send(prepared)
            except KeyRefused as refused:
                self._note_refused(refused)
                raise
        except asyncio.CancelledError:
            if not deadline.was_reached():
                raise
            raise self._timed_out() from None
        finally:
            deadline.cancel()

    async def _send(self, prepared: Prepared) -> Outcome:
        response: UpstreamResponse | None = None
        if self._recorded is not None:
            prepared.request.headers.extend(self._recorded.trace_headers)
        try:
            self._is_sent = True
            response = await self._resources.upstream.send(prepared.request)
            if self._request.call.has_links:
                response = RelativeLinks(response, prepared.plan.base_url, self._note_piece)
            headers = sort_response_headers(response.headers, prepared.secrets)
            if 200 <= response.status < 400 and response.status not in REDIRECTS:
                return await self._pass_on(response, headers, prepared)
            return await self._fail(response, headers, prepared)
        except Unsendable as error:
            raise failures.key_unreadable(f"It cannot be used: {error}.") from None
        except Unreachable as error:
            silent = self._silent_model() if error.was_connected else Extent.KEY
            raise failures.unreachable(error, silent=silent) from None
        except ResponseBroken:
            return await self._interrupt(Refusal(Problem.PROVIDER_BROKE_OFF))
        except asyncio.CancelledError:
            if not self._exchange.has_begun or not self._deadline.was_reached():
                raise
            return await self._interrupt(Refusal(Problem.PROVIDER_TIMEOUT, why=failures.SILENT))
        finally:
            if response is not None:
                response.close()

    async def _pass_on(
        self, response: UpstreamResponse, headers: ResponseHeaders, prepared: Prepared
    ) -> Outcome:
        resources = self._resources
        delivery = self._delivery = Delivery(
            self._exchange,
            self._request,
            self._deadline,
            headers,
            route_header=self._route_header(),
            secrets=prepared.secrets,
            idle_seconds=resources.idle_seconds,
            keep_alive_seconds=resources.keep_alive_seconds,
            affinity=self._affinity if self._request.creates_objects else None,
            key_id=self._route.key_id,
            endpoint_id=self._found.endpoint_id,
            on_answer=self._note_served if response.status < 300 else _nothing,
        )
        try:
            return await delivery.run(response)
        except NoAnswer as failure:
            self._delivery = None
            if not failure.error:
                refusal = Refusal(Problem.PROVIDER_NO_ANSWER)
                raise RouteFailed(Outcome.PROVIDER_ERROR, refusal) from None
            headers.sent_back = [
                *(item for item in headers.sent_back if item[0] != b"content-type"),
                (b"content-type", b"application/json"),
            ]
            headers.length = len(failure.error)
            status, error = status_within(failure.error), ErrorBody(failure.error)
            return await self._fail_with(status, response.headers, headers, error, prepared)

    def _note_piece(self) -> None:
        """Wait anew for the rest of a body of which nothing can be passed on yet."""
        self._deadline.expire_in(self._resources.idle_seconds)

    def _note_served(self) -> None:
        """The response begins. Forget what was wrong with the route."""
        self._first_byte_at = time.perf_counter()
        route, resources = self._route, self._resources
        operation = called(self._request.call)
        resources.breaker.note_response(route)
        resources.pauses.clear(route, operation)
        if route.refused_at is not None or route.restricted:
            resources.marks.note_served(route, ProviderCall(route.model, operation))

    async def _fail(
        self, response: UpstreamResponse, headers: ResponseHeaders, prepared: Prepared
    ) -> Outcome:
        """Read an error, and pass it on if it is about the request. Raises ``RouteFailed``."""
        resources = self._resources
        if response.status in REDIRECTS:
            refusal = Refusal(Problem.PROVIDER_REDIRECTED)
            raise RouteFailed(Outcome.PROVIDER_ERROR, refusal, is_hopeless=True)
        if not 400 <= response.status < 600:  # not a status of HTTP
            raise RouteFailed(Outcome.PROVIDER_ERROR, Refusal(Problem.PROVIDER_BROKE_OFF))
        self._deadline.expire_in(min(ERROR_SECONDS, resources.idle_seconds))
        most = MAX_ERROR if self._request.memory.has_room_for(MAX_ERROR) else PIECE
        error = await read_error(response, headers.encoding, prepared.secrets, most=most)
        return await self._fail_with(response.status, response.headers, headers, error, prepared)

    async def _fail_with(
        self,
        status: int,
        raw_headers: Headers,
        headers: ResponseHeaders,
        error: ErrorBody,
        prepared: Prepared,
    ) -> Outcome:
        """Pass an error on that is about the request; raise ``RouteFailed`` for any other."""
        resources, route, call = self._resources, self._route, self._request.call
        self._deadline.expire_in(resources.idle_seconds)
        verdict = await verdict_on(
            status,
            raw_headers,
            headers,
            error,
            prepared.secrets,
            rules=prepared.plan.errors,
            request=self._request,
        )
        if verdict.failure and verdict.failure.cause is Cause.WRONG_KEY:
            raise KeyRefused(verdict.failure)
        of_the_model = scope_of(route, call, Extent.MODEL)
        if status == OVERLOADED and not verdict.seconds:
            resources.pauses.note_trouble(of_the_model)
        resources.pauses.note_limit(of_the_model, verdict.seconds)
        if verdict.failure and verdict.extent is not None:
            resources.pauses.note_trouble(scope_of(route, call, verdict.extent))
            of_the_key = verdict.extent is Extent.KEY
            refused = ProviderCall() if of_the_key else ProviderCall(route.model, called(call))
            resources.marks.note_restricted(route, refused, verdict.failure)
        answer = verdict.answer
        if isinstance(answer, ErrorResponse):
            answer.headers.append(self._route_header())
            if not verdict.falls_back:
                await self._exchange.respond(
                    answer.status, answer.headers, answer.body, declared=answer.declared
                )
                return verdict.outcome
        raise RouteFailed(
            verdict.outcome,
            answer,
            is_hopeless=verdict.is_hopeless,
            seconds=verdict.seconds,
            is_about_the_key=verdict.extent is Extent.KEY,
        )

    def _note_refused(self, refused: KeyRefused) -> None:
        """Mark the key, if nothing that the client chose may be the reason; otherwise its own test
        decides."""
        resources, route, failure = self._resources, self._route, refused.failure
        resources.signing.forget(route.owner)
        if concerns_the_key(self._request):
            scope = scope_of(route, self._request.call, Extent.KEY)
            resources.pauses.note_trouble(scope)
            resources.marks.note_refused(route, failure.status, failure.code)
        elif route.refused_at is None:
            refused.outcome = Outcome.CLIENT_ERROR
            resources.marks.note_suspected(route)

    def _route_header(self) -> tuple[bytes, bytes]:
        route = self._route
        return b"x-gatehouse-route", _name(route.id, route.key_name, route.model)

    async def _interrupt(self, refusal: Refusal) -> Outcome:
        """Fail the route, or end a response that has begun."""
        if not self._exchange.has_begun:
            raise RouteFailed(Outcome.UNREACHABLE, refusal, silent=self._silent_model())
        if self._delivery is not None:
            await self._delivery.interrupt(refusal)
        return Outcome.UNREACHABLE

    def _timed_out(self) -> RouteFailed:
        """Return the failure. A request that the provider may be working on is not sent again,
        neither by an SDK nor to another route, unless the operator allows it."""
        silent = self._silent_model() if self._is_sent else Extent.KEY
        if not self._is_sent or self._resources.retries_timeouts:
            refusal = Refusal(Problem.PROVIDER_TIMEOUT, why=failures.NO_RESPONSE)
            return RouteFailed(Outcome.UNREACHABLE, refusal, silent=silent)
        refusal = Refusal(Problem.PROVIDER_TIMEOUT_MAYBE_BILLED)
        return RouteFailed(
            Outcome.UNREACHABLE, refusal, is_hopeless=True, is_final=True, silent=silent
        )

    def _silent_model(self) -> Extent | None:
        """Return what a missing response says of the route: nothing, if it may be due to a path of
        the client's choice or to how it sends a file."""
        is_due_to_client = self._request.is_spent or not is_plain(self._request.call)
        return None if is_due_to_client else Extent.MODEL


def _nothing() -> None:
    pass


@lru_cache(maxsize=4096)
def _name(number: int, key: str, model: str) -> bytes:
    return f"{number}; key={quote(key)}; model={quote(model)}".encode()
