"""/metrics: usage of the gateway, for Prometheus.

Usage is read from the database, so it is the same in every process and survives restarts.
``process_registry`` has what is of one process, and is there without the database.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import accumulate
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, F, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
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

from apikeys.models import ApiKey, Restriction
from endpoints.models import Endpoint
from endpoints.services.open_circuits import open_circuits

from .counts import SUMS, Counts
from .latency import LATENCY_BOUNDS
from .models import ALL_TIME, UsageBucket

logger = logging.getLogger(__name__)
process_registry = CollectorRegistry()

Usage = Mapping[tuple[str, ...], Counts]  # by LABELS
Keys = Mapping[UUID, tuple[str, str, bool]]

LABELS = ("endpoint", "api_key", "provider", "model")
OUTCOMES: dict[str, Callable[[Counts], int]] = {
    "ok": lambda sums: sums.answered,
    "client_error": lambda sums: sums.client_errors,
    "rate_limited": lambda sums: sums.rate_limited,
    "refused": lambda sums: sums.refused,
    "account_error": lambda sums: sums.account_errors,
    "provider_error": lambda sums: sums.provider_errors,
    "unreachable": lambda sums: sums.unreachable,
    "canceled": lambda sums: sums.canceled,
}
KINDS: dict[str, Callable[[Counts], int]] = {
    "input": lambda sums: sums.input_tokens,
    "output": lambda sums: sums.output_tokens,
    "cached": lambda sums: sums.cached_tokens,
}
SOONEST = 20  # keys whose days to expiry are exported
EXPIRED_FOR = timedelta(days=30)  # after which an expired key is left out
_BOUNDS = (*(str(bound / 1000) for bound in LATENCY_BOUNDS), "+Inf")  # seconds


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics, for clients with the token and signed-in users."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    has_token = (
        settings.METRICS_TOKEN
        and scheme.lower() == "bearer"
        and constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    )
    if not (has_token or request.user.is_authenticated):
        return HttpResponse(
            "Send METRICS_TOKEN as a bearer token, or sign in.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    registry = CollectorRegistry()
    exposition = generate_latest(process_registry)
    try:
        registry.register(GatewayCollector())
        exposition += generate_latest(registry)
    except (DatabaseError, InterfaceError) as error:
        logger.error("Metrics without usage: %s", type(error.__cause__ or error).__name__)
    return HttpResponse(exposition, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class GatewayCollector(Collector):
    """Counts since the beginning. Deleted objects are named by their ids."""

    def collect(self) -> Iterator[Metric]:
        used = UsageBucket.objects.filter(hour=ALL_TIME).values("api_key")
        rows = ApiKey.objects.filter(Q(pk__in=used) | Q(refused_at__isnull=False))
        facts = rows.values_list("pk", "name", "scheme__provider__slug", "refused_at")
        api_keys = {pk: (name, provider, at is not None) for pk, name, provider, at in facts}
        yield from _usage_metrics(_usage(api_keys))
        refused = GaugeMetricFamily(
            "gatehouse_api_key_refused",
            "Whether the provider refuses this API key: 1 or 0. Only keys that were used or "
            "refused.",
            labels=["api_key"],
        )
        for name, _, is_refused in api_keys.values():
            refused.add_metric([name], is_refused)
        yield refused
        yield _restrictions()
        yield _days_to_expiry()
        yield _open_circuits()
        yield GaugeMetricFamily(
            "gatehouse_api_keys", "Stored API keys.", value=ApiKey.objects.count()
        )
        yield GaugeMetricFamily("gatehouse_endpoints", "Endpoints.", value=Endpoint.objects.count())


def _restrictions() -> Metric:
    restrictions = GaugeMetricFamily(
        "gatehouse_api_key_restrictions",
        "What the provider does not serve with this API key, although it accepts it: operations "
        "of models, or everything. Only restricted keys.",
        labels=["api_key", "cause"],
    )
    of_current = Restriction.objects.filter(version__api_key__current=F("version"))
    rows = of_current.order_by("version__api_key__name_key", "cause")
    for name, cause, count in rows.values_list("version__api_key__name", "cause").annotate(
        count=Count("pk")
    ):
        restrictions.add_metric([name, cause], count)
    return restrictions


def _days_to_expiry() -> Metric:
    days = GaugeMetricFamily(
        "gatehouse_api_key_days_to_expiry",
        f"Days until the credentials of this API key expire, negative once they have. The "
        f"{SOONEST} enabled keys that expire next, and those that expired in the last 30 days.",
        labels=["api_key"],
    )
    now = timezone.now()
    dated = ApiKey.objects.filter(enabled=True, expires_at__gt=now - EXPIRED_FOR)
    soonest = dated.order_by("expires_at", "name_key").values_list("name", "expires_at")
    coming, past = soonest.filter(expires_at__gt=now), soonest.filter(expires_at__lte=now)
    for name, expires_at in (*past, *coming[:SOONEST]):
        if expires_at is not None:
            days.add_metric([name], (expires_at - now).total_seconds() / 86_400)
    return days


def _open_circuits() -> Metric:
    circuits = GaugeMetricFamily(
        "gatehouse_open_circuits",
        "API keys and models that are tried last because their provider does not respond. Without "
        "a model, all models of the key.",
        labels=["api_key", "provider", "model"],
    )
    facts = ("version__api_key__name", "version__api_key__scheme__provider__slug", "model")
    of_current = open_circuits().filter(version__api_key__current=F("version"))
    for labels in of_current.order_by(*facts).values_list(*facts):
        circuits.add_metric(labels, 1)
    return circuits


def _usage_metrics(usage: Usage) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "gatehouse_requests",
        "Requests to providers. A request tried on several routes counts once per route.",
        labels=[*LABELS, "outcome"],
    )
    tokens = CounterMetricFamily(
        "gatehouse_tokens",
        "Tokens reported by providers. Input includes cached tokens.",
        labels=[*LABELS, "kind"],
    )
    durations = HistogramMetricFamily(
        "gatehouse_request_duration_seconds",
        "Time from sending a request to the end of the response.",
        labels=LABELS,
    )
    first_bytes = HistogramMetricFamily(
        "gatehouse_time_to_first_byte_seconds",
        "Time from sending a request to the beginning of its response; of a stream, to the first "
        "content. Successful requests only.",
        labels=LABELS,
    )
    for labels, sums in usage.items():
        for outcome, count in OUTCOMES.items():
            requests.add_metric([*labels, outcome], count(sums))
        for kind, count in KINDS.items():
            tokens.add_metric([*labels, kind], count(sums))
        buckets = list(zip(_BOUNDS, accumulate(sums.latencies), strict=True))
        durations.add_metric(labels, buckets, sum_value=sums.duration_ms / 1000)
        buckets = list(zip(_BOUNDS, accumulate(sums.first_bytes), strict=True))
        first_bytes.add_metric(labels, buckets, sum_value=sums.first_byte_ms / 1000)
    yield from (requests, tokens, durations, first_bytes)


def _usage(api_keys: Keys) -> Usage:
    ever = UsageBucket.objects.filter(hour=ALL_TIME)
    endpoints = dict(
        Endpoint.objects.filter(pk__in=ever.values("endpoint")).values_list("pk", "name")
    )
    sums = {name: Sum(name) for name in SUMS}
    found: dict[tuple[str, ...], list[Counts]] = {}
    for row in ever.values("endpoint", "api_key", "model").annotate(**sums).order_by():
        endpoint, key = row["endpoint"], row["api_key"]
        name, provider, _ = api_keys.get(key, (str(key), "", False))
        labels = (endpoints.get(endpoint, str(endpoint)), name, provider, row["model"])
        found.setdefault(labels, []).append(Counts.of(row))
    return {labels: Counts.total(counts) for labels, counts in found.items()}
