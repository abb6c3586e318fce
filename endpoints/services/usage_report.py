"""What went through an API key, an endpoint or a gateway token."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import add
from typing import Any

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.models import ALL_TIME, Endpoint, GatewayToken, UsageBucket
from endpoints.models.usage import COUNTS, LATENCIES

from .latency import percentile
from .prices import NOTHING, cost_of
from .usage_spans import LAST_HOURS, Span

# A caller who hangs up is none of them.
ERRORS = ("caller_errors", "rate_limited", "refused", "provider_errors", "unreachable")

_COLUMNS = (*COUNTS, *LATENCIES)


@dataclass(frozen=True)
class Sums:
    """What was counted, in one hour or in many. A request counts at each route that it tried."""

    requests: int = 0
    caller_errors: int = 0
    rate_limited: int = 0
    refused: int = 0
    provider_errors: int = 0
    unreachable: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    duration_ms: int = 0
    latencies: Sequence[int] = ()

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> "Sums":
        """Add up rows of ``COUNTS``, which those of the histogram may follow."""
        total: Sequence[int] = [0] * len(_COLUMNS)
        for row in rows:
            total = list(map(add, total, row))
        return cls(*total[: len(COUNTS)], latencies=total[len(COUNTS) :])

    @property
    def errors(self) -> int:
        return sum(getattr(self, name) for name in ERRORS)

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def answered(self) -> int:
        return self.requests - self.errors - self.cancelled

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def latency(self, percent: int) -> float | None:
        """Return milliseconds, as ``percentile`` does."""
        return percentile(percent / 100, self.latencies)


@dataclass(frozen=True)
class Point:
    start: datetime
    sums: Sums


@dataclass(frozen=True)
class ModelUsage:
    provider: str  # "" where the key was deleted
    model: str
    sums: Sums
    cost: Decimal | None


@dataclass(frozen=True)
class UsageReport:
    span: Span
    last_used: datetime | None = None
    sums: Sums = field(default_factory=Sums)
    points: Sequence[Point] = ()
    models: Sequence[ModelUsage] = ()

    @property
    def cost(self) -> Decimal | None:
        """Return USD, at least so many where some of it is ``unpriced``; None without any price."""
        known = [item.cost for item in self.models if item.cost is not None]
        return sum(known, NOTHING) if known else None

    @property
    def unpriced(self) -> list[ModelUsage]:
        return [item for item in self.models if item.cost is None]


def usage_of(
    *,
    api_key: ApiKey | None = None,
    endpoint: Endpoint | None = None,
    token: GatewayToken | None = None,
    span: Span = LAST_HOURS,
) -> UsageReport:
    """Report what went through one of them, or through the whole gateway, during ``span``.

    Three queries, two where it is idle.
    """
    owners = {"api_key": api_key, "endpoint": endpoint, "token": token}
    given = {name: thing.pk for name, thing in owners.items() if thing is not None}
    buckets = UsageBucket.objects.filter(**given)
    starts = span.starts(timezone.now())
    recent = buckets.filter(hour__gte=starts[0])
    hours = list(_summed(recent, "hour", columns=_COLUMNS).annotate(Max("last_at")))
    if not hours:
        ever = buckets.filter(hour=ALL_TIME).aggregate(at=Max("last_at"))
        return UsageReport(span, ever["at"])
    points = _points(starts, hours)
    total = Sums.of(row[1:-1] for row in hours)
    return UsageReport(span, max(row[-1] for row in hours), total, points, _by_model(recent))


def _summed(
    buckets: QuerySet[UsageBucket], *by: str, columns: Sequence[str]
) -> QuerySet[UsageBucket, tuple[Any, ...]]:
    sums = {name: Sum(name) for name in columns}
    return buckets.values_list(*by).annotate(**sums).order_by(*by)


def _points(starts: Sequence[datetime], hours: Iterable[Sequence[Any]]) -> list[Point]:
    rows: list[list[Sequence[int]]] = [[] for _ in starts]
    for hour, *values in hours:
        rows[bisect_right(starts, hour) - 1].append(values[:-1])
    return [Point(start, Sums.of(found)) for start, found in zip(starts, rows, strict=True)]


def _by_model(buckets: QuerySet[UsageBucket]) -> list[ModelUsage]:
    """Return the models with their costs, dearest first. Two queries."""
    rows = list(_summed(buckets, "api_key", "model", columns=COUNTS))
    providers = _providers({row[0] for row in rows})
    found: dict[tuple[tuple[str, str], str], list[Sequence[int]]] = {}
    for key, model, *values in rows:
        found.setdefault((providers.get(key, ("", "")), model), []).append(values)
    models = [_priced(*whose, Sums.of(values)) for whose, values in found.items()]
    return sorted(models, key=lambda item: (item.cost or NOTHING, item.sums.tokens), reverse=True)


def _providers(api_keys: Iterable[Any]) -> dict[Any, tuple[str, str]]:
    """Return each key's provider: slug and name."""
    rows = ApiKey.objects.filter(pk__in=api_keys).values_list(
        "pk", "scheme__provider__slug", "scheme__provider__name"
    )
    return {pk: (slug, name) for pk, slug, name in rows}


def _priced(provider: tuple[str, str], model: str, sums: Sums) -> ModelUsage:
    slug, name = provider
    cost = cost_of(
        slug,
        model,
        answered=sums.answered,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        cached_tokens=sums.cached_tokens,
    )
    return ModelUsage(name, model, sums, cost)
