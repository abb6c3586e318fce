"""What is counted of requests: how they ended, how many tokens they took, and how long."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import reduce
from typing import Any

from .latency import LATENCY_BOUNDS, percentile


class Outcome(StrEnum):
    """How a request ended on a route. The value of all but ``OK`` names the column that counts
    them."""

    OK = "ok"
    CLIENT_ERROR = "client_errors"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    ACCOUNT_ERROR = "account_errors"  # no credit, no permission, no such model: the operator's
    PROVIDER_ERROR = "provider_errors"
    UNREACHABLE = "unreachable"
    CANCELED = "canceled"

    @property
    def label(self) -> str:
        """What metrics and logs call it: one of it."""
        return self.name.lower()


# Outcomes that count against the route. Client errors and canceled requests do not.
FAILURES = (
    Outcome.RATE_LIMITED,
    Outcome.REFUSED,
    Outcome.ACCOUNT_ERROR,
    Outcome.PROVIDER_ERROR,
    Outcome.UNREACHABLE,
)
# Requests that a client canceled are none of them.
ERRORS = (Outcome.CLIENT_ERROR, *FAILURES)

LATENCIES = (*(f"within_{bound}_ms" for bound in LATENCY_BOUNDS), "slower")  # a histogram
FIRST_BYTES = tuple(f"first_byte_{name}" for name in LATENCIES)  # another, of successful requests


@dataclass(slots=True)
class Counts:
    """Counts of one hour, or of many. A request counts once for each route that it tried."""

    requests: int = 0
    client_errors: int = 0
    rate_limited: int = 0
    refused: int = 0
    account_errors: int = 0
    provider_errors: int = 0
    unreachable: int = 0
    canceled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0  # part of the input
    duration_ms: int = 0
    first_byte_ms: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * len(LATENCIES))  # see LATENCIES
    first_bytes: list[int] = field(default_factory=lambda: [0] * len(FIRST_BYTES))
    failures_in_a_row: int = 0  # since the last success

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Counts":
        """Return the columns of ``row``: ``COUNTS``, and maybe the histograms."""
        counts = cls()
        for name in COUNTS:
            setattr(counts, name, row[name])
        if "slower" in row:
            counts.latencies = [row[name] for name in LATENCIES]
        if FIRST_BYTES[0] in row:
            counts.first_bytes = [row[name] for name in FIRST_BYTES]
        return counts

    @classmethod
    def total(cls, items: Iterable["Counts"]) -> "Counts":
        return reduce(cls.plus, items, cls())

    def add(self, outcome: Outcome, milliseconds: int, first_byte_ms: int | None = None) -> None:
        """Count one request, and when its response began, if it was a success."""
        self.requests += 1
        self.duration_ms += milliseconds
        self.latencies[bisect_left(LATENCY_BOUNDS, milliseconds)] += 1
        if first_byte_ms is not None:
            self.first_byte_ms += first_byte_ms
            self.first_bytes[bisect_left(LATENCY_BOUNDS, first_byte_ms)] += 1
        if outcome is Outcome.OK:
            self.failures_in_a_row = 0
            return
        setattr(self, outcome, getattr(self, outcome) + 1)
        if outcome in FAILURES:
            self.failures_in_a_row += 1

    def plus(self, newer: "Counts") -> "Counts":
        """Add newer counts of the same key. A success ends a row of failures."""
        total = Counts()
        for name in COUNTS:
            setattr(total, name, getattr(self, name) + getattr(newer, name))
        total.latencies = [a + b for a, b in zip(self.latencies, newer.latencies, strict=True)]
        pairs = zip(self.first_bytes, newer.first_bytes, strict=True)
        total.first_bytes = [a + b for a, b in pairs]
        before = 0 if newer.answered else self.failures_in_a_row
        total.failures_in_a_row = before + newer.failures_in_a_row
        return total

    def row(self) -> tuple[int, ...]:
        """Return the values of ``COLUMNS``."""
        counts = (getattr(self, name) for name in COUNTS)
        return (*counts, *self.latencies, *self.first_bytes, self.failures_in_a_row)

    @property
    def failures(self) -> int:
        return sum(getattr(self, outcome) for outcome in FAILURES)

    @property
    def errors(self) -> int:
        return self.failures + self.client_errors

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def answered(self) -> int:
        """How many requests were served."""
        return self.requests - self.errors - self.canceled

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def latency(self, percent: int) -> float | None:
        """Return milliseconds, as ``percentile`` does."""
        return percentile(percent / 100, self.latencies)


# Columns of the database, in order.
_APART = ("latencies", "first_bytes", "failures_in_a_row")
COUNTS = tuple(each.name for each in fields(Counts) if each.name not in _APART)
SUMS = (*COUNTS, *LATENCIES, *FIRST_BYTES)
COLUMNS = (*SUMS, "failures_in_a_row")
