"""Tests of credentials: their result, and the tester.

The tester that calls providers is registered by the site, so this app does not import it.
"""

from dataclasses import dataclass
from typing import Protocol

from .models import ApiKey, Verdict
from .sealing import Secrets


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a test, in our own words: those of the provider may repeat a secret."""

    outcome: Verdict
    message: str
    status: int = 0  # of the provider's response, if it refused the credentials
    reached_api: bool = False  # whether it passed at the address of the API, not at another one

    @property
    def passed(self) -> bool:
        return self.outcome == Verdict.WORKS


class Tester(Protocol):
    def test(self, api_key: ApiKey, secrets: Secrets) -> ProbeResult:
        """Call the provider once with ``secrets``, if that is free, and return the result."""
        ...


class _NoTester:
    def test(self, api_key: ApiKey, secrets: Secrets) -> ProbeResult:
        return ProbeResult(Verdict.UNCHECKABLE, "Not verified: this server has no client.")


_registered: Tester = _NoTester()


def register(tester: Tester) -> None:
    """Register ``tester``. Called once, when the site is ready."""
    global _registered
    _registered = tester


def tester() -> Tester:
    """Return the registered tester."""
    return _registered
