"""What is recorded of a request for the access log. Only while somebody wants it."""

import time
from dataclasses import dataclass, field

from endpoints.gateway.lookup.directory import Found, FoundRoute
from endpoints.usage.counts import Outcome
from endpoints.usage.response_parser import Tokens

from .paths import Call


@dataclass(slots=True)
class AttemptRecord:
    """One request through one route. Times are seconds since 1970."""

    route: FoundRoute
    began: float = field(default_factory=time.time)
    ended: float = 0
    outcome: Outcome = Outcome.CANCELED
    tokens: Tokens | None = None


@dataclass(slots=True)
class RequestRecord:
    """One request of a client. Nothing in it is content, and nothing was written by the client,
    save names that an endpoint really has."""

    request_id: str
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
        return attempt
