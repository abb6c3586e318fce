"""What follows from a provider's error: for the client, the route, the key and the counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apikeys.catalogue.provider_errors import Cause, ErrorRule, facts_of, meaning_of
from endpoints.gateway.http.exchange import ClientRequest
from endpoints.gateway.http.headers import ResponseHeaders
from endpoints.gateway.http.paths import Call
from endpoints.gateway.http.problems import HOPELESS, Problem, Refusal
from endpoints.gateway.upstream.client import Headers
from endpoints.usage.counts import Outcome

from .error_responses import ErrorBody, ErrorResponse, is_retried, with_advice
from .pauses import Extent
from .retry_after import seconds_to_wait

KEY_REFUSED = (
    "The provider refused this endpoint's API key ({}). A key manager can replace it on the key's "
    "page."
)
SOON = 1.0  # seconds, where a provider does not say when to try again
OVERLOADED = 529  # Source: Anthropic, "Errors"
# Source: Gemini API and Vertex AI, REST reference, "models".
GOOGLE_METHODS = frozenset(
    "generateContent streamGenerateContent countTokens embedContent batchEmbedContents predict "
    "rawPredict streamRawPredict".split()
)


class Effect(NamedTuple):
    """What follows from a cause: how it is counted, what it concerns, and what the client gets in
    place of a 401 or 403."""

    outcome: Outcome
    extent: Extent
    problem: Problem


# A firewall's page is about one call: what a client wrote may be the reason.
EFFECTS = {
    Cause.NO_CREDIT: Effect(Outcome.ACCOUNT_ERROR, Extent.KEY, Problem.OUT_OF_CREDIT),
    Cause.LOCATION: Effect(Outcome.ACCOUNT_ERROR, Extent.KEY, Problem.LOCATION_NOT_SUPPORTED),
    Cause.CHALLENGE: Effect(Outcome.ACCOUNT_ERROR, Extent.CALL, Problem.BLOCKED_BY_FIREWALL),
    Cause.NOT_PERMITTED: Effect(Outcome.ACCOUNT_ERROR, Extent.CALL, Problem.KEY_NOT_PERMITTED),
    Cause.MODEL_MISSING: Effect(Outcome.ACCOUNT_ERROR, Extent.CALL, Problem.KEY_NOT_PERMITTED),
}


class Failure(NamedTuple):
    """An error that is not the client's: its status, its cause, and the provider's known code."""

    status: int
    cause: Cause
    code: str = ""

    @property
    def reply(self) -> str:
        """What the provider returned, as far as it is safe to show."""
        return f"{self.status}, {self.code}" if self.code else str(self.status)

    def refusal(self) -> Refusal:
        """Return what the client gets in place of the provider's response."""
        if self.cause is Cause.WRONG_KEY:
            return Refusal(Problem.KEY_REFUSED, refusal=KEY_REFUSED.format(self.reply))
        problem = EFFECTS[self.cause].problem
        return Refusal(problem, reply=self.reply)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done about an error. ``extent`` is what else of the key it concerns, if anything."""

    outcome: Outcome
    answer: Refusal | ErrorResponse
    failure: Failure | None
    extent: Extent | None
    seconds: float  # that the provider asks to wait
    is_hopeless: bool  # the same request would fail again
    falls_back: bool


async def verdict_on(
    status: int,
    raw_headers: Headers,
    headers: ResponseHeaders,
    error: ErrorBody,
    secrets: Sequence[bytes],
    *,
    rules: Sequence[ErrorRule],
    request: ClientRequest,
) -> Verdict:
    """Return what is done about an error response. ``rules`` are the provider's own."""
    meaning = meaning_of(facts_of(status, raw_headers, error.text), rules)
    failure = Failure(status, meaning.cause, meaning.code) if meaning else None
    effect = EFFECTS.get(meaning.cause) if meaning else None
    retried = is_retried(status) and meaning is None
    seconds = seconds_to_wait(raw_headers, error.text) if retried else 0.0
    advised = seconds or (SOON if retried else 0.0)
    body = await error.censored(secrets)
    answer: Refusal | ErrorResponse
    if failure and status in (401, 403) and failure.cause is not Cause.MODERATED:
        answer = failure.refusal()
    elif body is None:
        advice = {} if retried else HOPELESS
        answer = Refusal(Problem.PROVIDER_ERROR_WITHHELD, headers=advice, status=status)
    else:
        kept = [item for item in headers.sent_back if item[0] != b"content-encoding"]
        kept = with_advice(kept, seconds=advised, is_hopeless=not retried)
        answer = ErrorResponse(status, kept, body, headers.length)
    is_the_operators = effect is not None and concerns_the_key(request)
    return Verdict(
        outcome=effect.outcome if effect and is_the_operators else outcome_of(status),
        answer=answer,
        failure=failure,
        extent=effect.extent if effect and is_the_operators else None,
        seconds=seconds,
        is_hopeless=not retried,
        falls_back=retried or effect is not None or (status == 404 and is_plain(request.call)),
    )


def concerns_the_key(request: ClientRequest) -> bool:
    """Whether a refusal says something of the key: what the client chose, a path, an account or
    credentials beside the key, may be the reason otherwise."""
    return is_plain(request.call) and not request.names_account


def is_plain(call: Call) -> bool:
    """Whether it is a plain call of the endpoint's model, and no path of the client's choice."""
    return call.is_for_a_model and (not call.google_method or call.google_method in GOOGLE_METHODS)


def outcome_of(status: int) -> Outcome:
    """Return how a request with this status of the provider is counted."""
    if status < 400:
        return Outcome.OK
    if status == 429:
        return Outcome.RATE_LIMITED
    is_providers_fault = is_retried(status)
    return Outcome.PROVIDER_ERROR if is_providers_fault else Outcome.CLIENT_ERROR
