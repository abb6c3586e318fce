"""Recent traffic through routes and tokens. The usage app registers what knows it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.utils import timezone


@dataclass(frozen=True)
class Failures:
    """Recent requests through one route, all of which failed."""

    count: int
    since: datetime  # the last success, or the start of the hour
    last_at: datetime

    def plus(self, other: "Failures") -> "Failures":
        """Add the failures of another token, model or hour."""
        return Failures(
            self.count + other.count,
            min(self.since, other.since),
            max(self.last_at, other.last_at),
        )

    def __str__(self) -> str:
        local = timezone.localtime(self.since)
        return f"{self.count:,} of {self.count:,} requests failed since {local:%H:%M}"


class Traffic(Protocol):
    def failures(self, endpoints: Collection[int] | None = None) -> dict[int, Failures]:
        """Return the routes of ``endpoints``, or of all, on which every recent request failed."""
        ...

    def last_uses(self, tokens: Collection[int]) -> Mapping[int, datetime]:
        """Return when each token was last used, by primary key. Unused tokens are left out."""
        ...


class _NoTraffic:
    def failures(self, endpoints: Collection[int] | None = None) -> dict[int, Failures]:
        return {}

    def last_uses(self, tokens: Collection[int]) -> Mapping[int, datetime]:
        return {}


_registered: Traffic = _NoTraffic()


def register(source: Traffic) -> None:
    global _registered
    _registered = source


def traffic() -> Traffic:
    return _registered
