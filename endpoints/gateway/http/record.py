"""What is recorded of a request, while the access log or OpenTelemetry is on."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from endpoints.gateway.lookup.directory import Found, FoundRoute
from endpoints.usage.counts import Outcome
from endpoints.usage.response_parser import Tokens

from .paths import Call

_random_bits = random.Random().getrandbits  # noqa: S311 - names a span, and guards nothing


class Names(NamedTuple):
    """What tokens and the providers of API keys are called now."""

    tokens: Mapping[int, str]
    providers: Mapping[UUID, str]


@dataclass(slots=True)
class Trace:
    """A request's place in a trace, as W3C's "Trace Context" has it."""

    parent: Any  # OpenTelemetry's context with the client's span, if it has sent one
    trace_id: int
    flags: int
    state: str
    is_sent: bool  # to the provider
    span_id: int = field(default_factory=lambda: _random_bits(64) or 1)

    def headers_for(self, span_id: int) -> list[tuple[str, str]]:
        """Return what tells the provider that its caller is ``span_id``."""
        if not self.is_sent:
            return []
        parent = f"00-{self.trace_id:032x}-{span_id:016x}-{self.flags:02x}"
        state = [("tracestate", self.state)] if self.state else []
        return [("traceparent", parent), *state]


@dataclass(slots=True)
class AttemptRecord:
    """One request through one route. Times are seconds since 1970."""

    route: FoundRoute
    began: float = field(default_factory=time.time)
    ended: float = 0
    outcome: Outcome = Outcome.CANCELED
    tokens: Tokens | None = None
    span_id: int = 0
    trace_headers: list[tuple[str, str]] = field(default_factory=list)  # for the provider


@dataclass(slots=True)
class RequestRecord:
    """One request of a client. Nothing in it is content, and nothing was written by the client,
    save names that an endpoint really has."""

    request_id: str
    method: str = ""
    trace: Trace | None = None
    began: float = field(default_factory=time.time)
    first_byte_at: float | None = None
    ended: float = 0
    call: Call | None = None
    token_id: int | None = None
    endpoint: str = ""
    status: int | None = None  # none if the client left before
    error: str = ""  # the gateway's code, if it refused the request
    attempts: list[AttemptRecord] = field(default_factory=list)

    def note_found(self, found: Found | None, endpoint: str) -> None:
        """Note who calls, and which endpoint."""
        if found is not None:
            self.token_id = found.token_id
            if found.endpoint_id is not None:
                self.endpoint = endpoint

    def begin_attempt(self, route: FoundRoute) -> AttemptRecord:
        attempt = AttemptRecord(route)
        self.attempts.append(attempt)
        if self.trace is not None:
            attempt.span_id = _random_bits(64) or 1
            attempt.trace_headers = self.trace.headers_for(attempt.span_id)
        return attempt
