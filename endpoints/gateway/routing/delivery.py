"""Passes a provider's response on to the client, once it turns out to be an answer."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from endpoints.gateway.http.deadlines import Deadline
from endpoints.gateway.http.exchange import PIECE, ClientRequest, Exchange
from endpoints.gateway.http.headers import ResponseHeaders
from endpoints.gateway.http.paths import Call
from endpoints.gateway.http.problems import Refusal
from endpoints.gateway.upstream.censor import StreamCensor, without
from endpoints.gateway.upstream.client import UpstreamResponse
from endpoints.usage.counts import Outcome
from endpoints.usage.response_parser import UsageParser

from .affinity import Affinity
from .event_stream import EventStream, is_error
from .verdicts import is_plain

WHOLE = 1024 * 1024  # bytes: a response that declares less is sent on at once, not in chunks
LARGEST_ERROR = 64 * 1024  # bytes of a response with status 200 that may report an error
UNBUFFERED = (b"x-accel-buffering", b"no")  # otherwise nginx in front would hold events back
LAST_EVENT_SECONDS = 2  # for a client, which may be what stalls, to take a stream's last event
KEEP_ALIVE = b": keep-alive\n\n"
# Whose streams say when they are complete.
_WITH_END = frozenset({"chat/completions", "completions", "responses", "messages"})


class NoAnswer(Exception):
    """A response of success without an answer. ``error`` is the JSON of the error in it, if any."""

    def __init__(self, error: bytes = b"") -> None:
        super().__init__()
        self.error = error


class Delivery:
    """One response on its way to the client. Raises ``NoAnswer`` while nothing has been sent."""

    __slots__ = (
        "_affinity",
        "_deadline",
        "_endpoint_id",
        "_events",
        "_exchange",
        "_headers",
        "_idle_seconds",
        "_keep_alive_seconds",
        "_key_id",
        "_on_answer",
        "_request",
        "_secrets",
        "_sent_back",
        "parser",
    )

    def __init__(
        self,
        exchange: Exchange,
        request: ClientRequest,
        deadline: Deadline,
        headers: ResponseHeaders,
        *,
        route_header: tuple[bytes, bytes],
        secrets: Sequence[bytes],
        idle_seconds: float,
        keep_alive_seconds: float,
        on_answer: Callable[[], None],
        affinity: Affinity | None,
        key_id: UUID | None,
        endpoint_id: int | None,
    ) -> None:
        """``on_answer`` is called when there is an answer, before anything is sent. ``affinity``
        remembers what the response says was created with the key, before the client knows."""
        self._affinity, self._key_id, self._endpoint_id = affinity, key_id, endpoint_id
        self._exchange, self._request, self._deadline = exchange, request, deadline
        self._headers, self._secrets = headers, secrets
        self._sent_back = [*headers.sent_back, route_header]
        self._idle_seconds, self._keep_alive_seconds = idle_seconds, keep_alive_seconds
        self._on_answer = on_answer
        self._events: EventStream | None = None
        self.parser = UsageParser(headers.content_type, headers.encoding)

    async def run(self, response: UpstreamResponse) -> Outcome:
        """Return how the response ended. Raises ``ResponseBroken`` and what the client causes."""
        self._deadline.expire_in(self._idle_seconds)
        length = self._headers.length
        if self._exchange.method == "HEAD" or (
            length is not None
            and (length <= PIECE or (length <= WHOLE and self._request.memory.has_room_for(length)))
        ):
            return await self._send_whole(response)
        if self._headers.is_plain_stream:
            return await self._send_events(response)
        return await self._send_chunks(response)

    async def interrupt(self, refusal: Refusal) -> None:
        """End a stream that has begun: with an event that reports why, or, where none can be added,
        without the mark of its end, so that it does not look complete."""
        if self._events is not None and not self._events.is_torn:
            self._deadline.expire_in(LAST_EVENT_SECONDS)
            exchange = self._exchange
            await exchange.end(refusal.event(exchange.dialect, exchange.request_id))

    async def _send_whole(self, response: UpstreamResponse) -> Outcome:
        pieces = []
        async for piece in response.chunks():
            pieces.append(piece)
            self._deadline.expire_in(self._idle_seconds)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._needs_answer(response.status):
            self._check_answer(body)
        self._on_answer()
        await self._remember(response.status, body)
        body = without(body, self._secrets)
        self.parser.feed(body)
        await self._exchange.respond(
            response.status, self._sent_back, body, declared=self._headers.length
        )
        return Outcome.OK

    async def _send_chunks(self, response: UpstreamResponse) -> Outcome:
        exchange, censor = self._exchange, StreamCensor(self._secrets)
        async for chunk in response.chunks():
            self._deadline.expire_in(self._idle_seconds)
            if not exchange.has_begun:
                self._on_answer()
                await self._remember(response.status, chunk)
                await exchange.begin(response.status, self._sent_back)
            if passing := censor.pass_on(chunk):
                await exchange.write(passing)
            self.parser.feed(chunk)
            self._deadline.expire_in(self._idle_seconds)
        if not exchange.has_begun:  # an empty body
            if self._needs_answer(response.status):
                raise NoAnswer
            self._on_answer()
            await exchange.begin(response.status, self._sent_back)
        await exchange.end(censor.rest())
        return Outcome.OK

    async def _send_events(self, response: UpstreamResponse) -> Outcome:
        exchange, censor = self._exchange, StreamCensor(self._secrets)
        needs_answer = self._needs_answer(response.status)
        events = self._events = EventStream(needs_answer=needs_answer)
        keeper: asyncio.Task[None] | None = None
        try:
            async for chunk in response.chunks():
                self._deadline.expire_in(self._idle_seconds)
                self.parser.feed(chunk)
                passing = events.pass_on(chunk)
                if events.is_without_answer:
                    raise NoAnswer(events.error)
                if not passing:
                    continue
                await self._remember(response.status, passing)
                if not exchange.has_begun:
                    await self._begin(response.status)
                    if self._keep_alive_seconds:
                        keeper = asyncio.create_task(self._keep_alive(events))
                if passing := censor.pass_on(passing):
                    await exchange.write(passing)
                self._deadline.expire_in(self._idle_seconds)
        finally:
            if keeper is not None:
                keeper.cancel()
        if not exchange.has_begun:
            if needs_answer:
                raise NoAnswer
            await self._begin(response.status)
        rest = events.rest()
        await exchange.end(censor.pass_on(rest) + censor.rest())
        is_incomplete = _says_its_end(self._request.call) and not events.has_end()
        is_good = not needs_answer or not (events.has_error or is_incomplete)
        return Outcome.OK if is_good else Outcome.PROVIDER_ERROR

    async def _begin(self, status: int) -> None:
        self._on_answer()
        await self._exchange.begin(status, [*self._sent_back, UNBUFFERED])

    async def _remember(self, status: int, data: bytes) -> None:
        if self._affinity is not None and self._key_id is not None and status < 300:
            await self._affinity.remember(data, self._key_id, self._endpoint_id)

    async def _keep_alive(self, events: EventStream) -> None:
        """Send a comment whenever a stream has been silent for a while."""
        while True:
            silent = events.seconds_since_last()
            await asyncio.sleep(max(self._keep_alive_seconds - silent, 0.05))
            if not events.is_torn and events.seconds_since_last() >= self._keep_alive_seconds:
                await self._exchange.write(KEEP_ALIVE)
                events.touch()

    def _needs_answer(self, status: int) -> bool:
        """Whether a response without content is a failure. Only of a call of the endpoint's model
        is it known what its response contains."""
        return status == 200 and self._exchange.method == "POST" and is_plain(self._request.call)

    def _check_answer(self, body: bytes) -> None:
        """Raise ``NoAnswer`` if a whole body is empty, or reports an error."""
        if not body:
            raise NoAnswer
        if len(body) > LARGEST_ERROR or b'"error"' not in body or self._headers.encoding:
            return
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if isinstance(document, dict) and is_error(document):
            raise NoAnswer(body)


def _says_its_end(call: Call) -> bool:
    return call.operation in _WITH_END or call.google_method == "streamGenerateContent"
