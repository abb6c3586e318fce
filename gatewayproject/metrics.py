"""/metrics: what went through the gateway, for Prometheus.

Everything is read from the database, so it is the same in every process and survives restarts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from apikeys.models import ApiKey
from endpoints.models import ALL_TIME, Endpoint, UsageBucket
from endpoints.models.usage import COUNTS, LATENCIES, LATENCY_BOUNDS
from endpoints.services.usage_report import Sums

Usage = Mapping[tuple[str, ...], Sums]  # by LABELS
Keys = Mapping[UUID, tuple[str, str, bool]]

LABELS = ("endpoint", "api_key", "provider", "model")
OUTCOMES: dict[str, Callable[[Sums], int]] = {
    "ok": lambda sums: sums.answered,
    "caller_error": lambda sums: sums.caller_errors,
    "rate_limited": lambda sums: sums.rate_limited,
    "refused": lambda sums: sums.refused,
    "provider_error": lambda sums: sums.provider_errors,
    "unreachable": lambda sums: sums.unreachable,
    "cancelled": lambda sums: sums.cancelled,
}
KINDS: dict[str, Callable[[Sums], int]] = {
    "input": lambda sums: sums.input_tokens,
    "output": lambda sums: sums.output_tokens,
    "cached": lambda sums: sums.cached_tokens,
}
_BOUNDS = (*(str(bound / 1000) for bound in LATENCY_BOUNDS), "+Inf")  # seconds


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics, for whoever has the token or is signed in."""
    if not (_has_token(request) or request.user.is_authenticated):
        return HttpResponse(
            "Present METRICS_TOKEN as a bearer token, or sign in.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    registry = CollectorRegistry()
    registry.register(GatewayCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return constant_time_compare(token.strip(), settings.METRICS_TOKEN)


class GatewayCollector(Collector):
    """Counts since the beginning. What was deleted goes by its id."""

    def collect(self) -> Iterator[Metric]:
        api_keys = _used_or_refused_keys()
        usage = _usage(api_keys)
        yield _requests(usage)
        yield _tokens(usage)
        yield _durations(usage)
        yield _refusals(api_keys)
        yield GaugeMetricFamily(
            "gatehouse_api_keys", "API keys that are stored.", value=ApiKey.objects.count()
        )
        yield GaugeMetricFamily(
            "gatehouse_endpoints", "Endpoints that there are.", value=Endpoint.objects.count()
        )


def _requests(usage: Usage) -> Metric:
    family = CounterMetricFamily(
        "gatehouse_requests",
        "Requests to providers; one that was tried on several routes counts on each.",
        labels=[*LABELS, "outcome"],
    )
    for labels, sums in usage.items():
        for outcome, count in OUTCOMES.items():
            family.add_metric([*labels, outcome], count(sums))
    return family


def _tokens(usage: Usage) -> Metric:
    family = CounterMetricFamily(
        "gatehouse_tokens",
        "Tokens that providers reported; cached ones are part of the input.",
        labels=[*LABELS, "kind"],
    )
    for labels, sums in usage.items():
        for kind, count in KINDS.items():
            family.add_metric([*labels, kind], count(sums))
    return family


def _durations(usage: Usage) -> Metric:
    family = HistogramMetricFamily(
        "gatehouse_request_duration_seconds",
        "Time from sending a request to the end of its answer.",
        labels=LABELS,
    )
    for labels, sums in usage.items():
        buckets = list(zip(_BOUNDS, accumulate(sums.latencies), strict=True))
        family.add_metric(labels, buckets, sum_value=sums.duration_ms / 1000)
    return family


def _refusals(api_keys: Keys) -> Metric:
    family = GaugeMetricFamily(
        "gatehouse_api_key_refused",
        "Whether the provider refuses this API key: 1 or 0, of keys that were used or are refused.",
        labels=["api_key"],
    )
    for name, _, is_refused in api_keys.values():
        family.add_metric([name], is_refused)
    return family


def _usage(api_keys: Keys) -> Usage:
    endpoints = dict(Endpoint.objects.filter(pk__in=_ever("endpoint")).values_list("pk", "name"))
    sums = {name: Sum(name) for name in (*COUNTS, *LATENCIES)}
    found: dict[tuple[str, ...], list[Sequence[int]]] = {}
    of_each = _ever("endpoint", "api_key", "model").annotate(**sums).order_by()
    for endpoint, key, model, *values in of_each:
        name, provider, _ = api_keys.get(key, (str(key), "", False))
        labels = (endpoints.get(endpoint, str(endpoint)), name, provider, model)
        found.setdefault(labels, []).append(values)
    return {labels: Sums.of(rows) for labels, rows in found.items()}


def _used_or_refused_keys() -> Keys:
    """Return name, provider and whether it is refused, by id."""
    rows = ApiKey.objects.filter(Q(pk__in=_ever("api_key")) | Q(refused_at__isnull=False))
    told = rows.values_list("pk", "name", "scheme__provider__slug", "refused_at")
    return {pk: (name, provider, at is not None) for pk, name, provider, at in told}


def _ever(*columns: str) -> QuerySet[UsageBucket, Any]:
    return UsageBucket.objects.filter(hour=ALL_TIME).values_list(*columns)
