"""What went through an API key, an endpoint or a gateway token."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.models import Endpoint, GatewayToken

from .counts import COUNTS, LATENCIES, Counts
from .models import ALL_TIME, UsageBucket
from .prices import NOTHING, cost_of
from .time_ranges import LAST_HOURS, Span

# What usage is split by, by what it is the usage of.
SPLITS = {
    "": ("endpoint", "token"),
    "api_key": ("endpoint", "token"),
    "endpoint": ("api_key", "token"),
    "token": ("endpoint", "api_key"),
}
NAMES = {"endpoint": "endpoint", "token": "gateway token", "api_key": "API key"}


class ProviderName(NamedTuple):
    slug: str
    name: str


UNKNOWN = ProviderName("", "")  # of a deleted key


@dataclass(frozen=True)
class Point:
    start: datetime
    sums: Counts


@dataclass(frozen=True)
class ModelUsage:
    provider: str  # "" where the key was deleted
    model: str
    sums: Counts
    cost: Decimal | None


@dataclass(frozen=True)
class Share:
    """What one endpoint, token or API key has of the usage; several where they have one label."""

    label: str
    url: str
    sums: Counts
    cost: Decimal | None  # of what has a known price


@dataclass(frozen=True)
class Split:
    """Usage by endpoint, token or API key, the most used first."""

    name: str
    shares: Sequence[Share]


@dataclass(frozen=True)
class UsageReport:
    span: Span
    last_used: datetime | None = None
    sums: Counts = field(default_factory=Counts)
    points: Sequence[Point] = ()
    models: Sequence[ModelUsage] = ()
    splits: Sequence[Split] = ()

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

    Seven queries, two where it is idle.
    """
    owners = {"api_key": api_key, "endpoint": endpoint, "token": token}
    given = {name: thing.pk for name, thing in owners.items() if thing is not None}
    buckets = UsageBucket.objects.filter(**given)
    starts = span.starts(timezone.now())
    recent = buckets.filter(hour__gte=max(starts[0], ALL_TIME + timedelta(days=1)))
    if end := span.end():
        recent = recent.filter(hour__lt=end)
    hours = list(_summed(recent, "hour", columns=(*COUNTS, *LATENCIES)).annotate(Max("last_at")))
    if not hours:
        ever = buckets.filter(hour=ALL_TIME).aggregate(at=Max("last_at"))
        return UsageReport(span, ever["at"])
    found: list[list[Counts]] = [[] for _ in starts]
    for row in hours:
        found[bisect_right(starts, row["hour"]) - 1].append(Counts.of(row))
    points = [Point(start, Counts.total(each)) for start, each in zip(starts, found, strict=True)]
    return UsageReport(
        span,
        last_used=max(row["last_at__max"] for row in hours),
        sums=Counts.total(point.sums for point in points),
        points=points,
        models=_by_model(recent),
        splits=[_split(recent, name) for name in SPLITS[next(iter(given), "")]],
    )


def _summed(
    buckets: QuerySet[UsageBucket], *by: str, columns: Sequence[str] = COUNTS
) -> QuerySet[UsageBucket, dict[str, Any]]:
    sums = {name: Sum(name) for name in columns}
    rows: QuerySet[UsageBucket, dict[str, Any]] = buckets.values(*by).annotate(**sums)
    return rows.order_by(*by)


def _by_model(buckets: QuerySet[UsageBucket]) -> list[ModelUsage]:
    """Return the models with their costs, the most expensive first. Two queries."""
    rows = list(_summed(buckets, "api_key", "model"))
    providers = _providers({row["api_key"] for row in rows})
    found: dict[tuple[ProviderName, str], list[Counts]] = {}
    for row in rows:
        provider = providers.get(row["api_key"], UNKNOWN)
        found.setdefault((provider, row["model"]), []).append(Counts.of(row))
    models = [_priced(*whose, Counts.total(counts)) for whose, counts in found.items()]
    return sorted(models, key=lambda item: (item.cost or NOTHING, item.sums.tokens), reverse=True)


def _split(buckets: QuerySet[UsageBucket], by: str) -> Split:
    """Return usage by endpoint, token or API key. Three queries."""
    rows = list(_summed(buckets, by, "api_key", "model"))
    owners = _owners(by, {row[by] for row in rows})
    providers = _providers({row["api_key"] for row in rows})
    found: dict[tuple[str, str], list[ModelUsage]] = {}
    for row in rows:
        provider = providers.get(row["api_key"], UNKNOWN)
        priced = _priced(provider, row["model"], Counts.of(row))
        found.setdefault(_named(owners.get(row[by]), by), []).append(priced)
    shares = [_share(label, url, usages) for (label, url), usages in found.items()]
    return Split(NAMES[by], sorted(shares, key=lambda share: share.sums.requests, reverse=True))


def _owners(by: str, ids: Collection[Any]) -> Mapping[Any, Endpoint | GatewayToken | ApiKey]:
    match by:
        case "endpoint":
            return Endpoint.objects.in_bulk(ids)
        case "token":
            return GatewayToken.objects.in_bulk(ids)
    return ApiKey.objects.in_bulk(ids)


def _named(owner: Endpoint | GatewayToken | ApiKey | None, by: str) -> tuple[str, str]:
    """Return what a share is called, and its page."""
    if owner is None:
        return f"Deleted {NAMES[by]}s", ""
    if getattr(owner, "purpose", "") == GatewayToken.Purpose.TRIAL:
        return "Try it", ""
    return owner.name, owner.get_absolute_url()


def _share(label: str, url: str, usages: Sequence[ModelUsage | Share]) -> Share:
    """Add up ``usages`` under one label."""
    known = [usage.cost for usage in usages if usage.cost is not None]
    cost = sum(known, NOTHING) if known else None
    return Share(label, url, Counts.total(usage.sums for usage in usages), cost)


def in_short(split: Split, most: int) -> Split:
    """Return the largest shares, and the others as one that adds them up."""
    if len(split.shares) <= most + 1:
        return split
    kept, others = split.shares[:most], split.shares[most:]
    return Split(split.name, [*kept, _share(f"{len(others)} others", "", others)])


def _providers(api_keys: Collection[Any]) -> dict[Any, ProviderName]:
    """Return the provider of each key."""
    rows = ApiKey.objects.filter(pk__in=api_keys).values_list(
        "pk", "scheme__provider__slug", "scheme__provider__name"
    )
    return {pk: ProviderName(slug, name) for pk, slug, name in rows}


def _priced(provider: ProviderName, model: str, sums: Counts) -> ModelUsage:
    cost = cost_of(
        provider.slug,
        model,
        answered=sums.answered,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        cached_tokens=sums.cached_tokens,
    )
    return ModelUsage(provider.name, model, sums, cost)
