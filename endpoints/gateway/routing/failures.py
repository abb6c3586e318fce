"""Why a route did not serve a request."""

from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.upstream.client import TimedOut, Unreachable
from endpoints.usage.counts import Outcome

from .error_responses import ErrorResponse
from .pauses import Extent
from .verdicts import Failure

MALFORMED = (
    "Its settings or its authentication method are malformed, or its address is not a URL. A key "
    "manager can enter them again on the key's page."
)
NO_RESPONSE = "The provider did not respond in time."
SILENT = "The provider sent nothing more in time."
NO_USABLE_KEY = (
    "Every API key of this endpoint is disabled or without credentials. A key manager can enable "
    "one."
)
NO_KEY = "This endpoint has no API key. A key manager can choose one for it."


class RouteFailed(Exception):
    """This route did not serve; nothing has been sent to the client yet.

    ``answer`` is what the client gets if no other route serves. ``seconds`` is how long the
    provider asked to wait. ``silent`` is what does not respond: the provider (``Extent.KEY``), or
    one of its models.
    """

    def __init__(
        self,
        outcome: Outcome,
        answer: Refusal | ErrorResponse,
        *,
        is_hopeless: bool = False,
        seconds: float = 0,
        is_about_the_key: bool = False,
        is_final: bool = False,
        silent: Extent | None = None,
    ) -> None:
        super().__init__(outcome)
        self.outcome, self.answer = outcome, answer
        self.is_hopeless, self.seconds = is_hopeless, seconds
        self.is_about_the_key = is_about_the_key  # so that its other routes are tried last
        self.is_final = is_final  # no other route may be tried
        self.silent = silent

    @property
    def _rank(self) -> int:
        """How useful it is to the client: the next attempt helps, and when."""
        if self.is_hopeless:
            return 0
        return 2 if self.outcome is Outcome.RATE_LIMITED and self.seconds else 1

    def or_earlier(self, earlier: "RouteFailed | None") -> "RouteFailed":
        """Return which of the two to report: the later one, unless retrying helps only after the
        earlier one, or helps sooner."""
        if earlier is None or self._rank > earlier._rank:
            return self
        is_sooner = self._rank == 2 and earlier.seconds < self.seconds
        return earlier if earlier._rank > self._rank or is_sooner else self


class KeyRefused(RouteFailed):
    """The provider does not recognize the credentials."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(Outcome.REFUSED, failure.refusal(), is_hopeless=True)
        self.failure = failure


def key_unreadable(why: str) -> RouteFailed:
    refusal = Refusal(Problem.KEY_UNREADABLE, why=why)
    return RouteFailed(Outcome.UNREACHABLE, refusal, is_hopeless=True)


def unreachable(error: Unreachable, *, silent: Extent | None) -> RouteFailed:
    timed_out = isinstance(error, TimedOut)
    problem = Problem.PROVIDER_TIMEOUT if timed_out else Problem.PROVIDER_UNREACHABLE
    return RouteFailed(Outcome.UNREACHABLE, Refusal(problem, why=error), silent=silent)
