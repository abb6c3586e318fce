"""Why a route did not serve, and what the caller is told.

Each call makes a new ``Problem``: an exception that is raised twice keeps both tracebacks.
"""

from .problems import Problem


class RouteFailed(Exception):
    """This route did not serve; nothing has been sent to the caller yet."""

    def __init__(self, problem: Problem, *, outcome: str = "", refused: bool = False) -> None:
        super().__init__(problem.code)
        self.problem, self.outcome, self.refused = problem, outcome, refused


def key_refused(status: int) -> Problem:
    return Problem(
        503,
        "key_refused",
        f"The provider refused this endpoint's API key (it answered {status}). A key manager has "
        "to look at it: its page says more.",
    )


def unreadable(why: str) -> Problem:
    return Problem(503, "key_unreadable", f"This endpoint's API key cannot be opened. {why}")


def unreachable(why: str) -> Problem:
    return Problem(
        502, "provider_unreachable", f"The provider could not be reached ({why}). Try again."
    )


def wrong_dialect(dialect: str) -> Problem:
    return Problem(
        400,
        "dialect_not_spoken",
        f"This endpoint's provider has no API of the {dialect} kind. Use the provider's own SDK "
        "with /gateway/<endpoint>/ as its base URL.",
    )


def no_working_key(has_key: bool) -> Problem:
    why = (
        "Every API key of this endpoint is disabled or without credentials. A key manager can "
        "enable one."
        if has_key
        else "This endpoint has no API key. A key manager can choose one for it."
    )
    return Problem(503, "no_working_key", why)


def timed_out() -> Problem:
    return Problem(504, "provider_timeout", "The provider did not answer in time. Try again.")


def broken_off() -> Problem:
    return Problem(502, "provider_broke_off", "The provider broke off its answer. Try again.")


def withheld(status: int) -> Problem:
    return Problem(
        502,
        "provider_error_withheld",
        f"The provider answered {status} and repeated credentials in its error, which is therefore "
        "not shown.",
    )


def redirected() -> Problem:
    return Problem(
        502,
        "provider_redirected",
        "The provider answered with a redirect, which is never followed.",
    )
