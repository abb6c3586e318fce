"""Whether credentials work: what a check can find, and who carries it out.

The endpoints app has the client that talks to providers and registers here; this app never imports
it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from apikeys.sealing import Secrets

if TYPE_CHECKING:
    from .models import ApiKey

WORKS = "works"
REFUSED = "refused"  # the provider knows these credentials not, or no longer
LIMITED = "limited"  # known, but not allowed to make this call
NO_CREDIT = "no_credit"  # known, but the account has no money left
RATE_LIMITED = "rate_limited"  # known or not: too many calls to tell
UNREACHABLE = "unreachable"
UNCHECKABLE = "uncheckable"  # no free call tells a good credential from a bad one
UNCLEAR = "unclear"  # the provider answered something that tells nothing


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found, in our own words; never the provider's, which may repeat a secret."""

    outcome: str
    message: str

    @property
    def passed(self) -> bool:
        return self.outcome == WORKS


class Checker(Protocol):
    def check(self, api_key: "ApiKey", secrets: Secrets) -> CheckResult:
        """Call the provider once with ``secrets``, where that is free, and say what came of it."""
        ...


class _Nobody:
    def check(self, api_key: "ApiKey", secrets: Secrets) -> CheckResult:
        return CheckResult(UNCHECKABLE, "Nothing is installed here that could check it.")


_registered: Checker = _Nobody()


def register(checker: Checker) -> None:
    """Make ``checker`` the one that checks. Called once, when the endpoints app is ready."""
    global _registered
    _registered = checker


def checker() -> Checker:
    """Return who checks credentials."""
    return _registered
