"""Usage, as if requests had gone through the gateway, and the health that follows from it."""

from datetime import datetime, timedelta

from django.utils import timezone

from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.services.health import health_of
from endpoints.usage.counts import SUMS, Counts
from endpoints.usage.services import UsageOwner, add_usage

NOW = timedelta(0)


def use(
    route: Route,
    token: GatewayToken | None = None,
    *,
    ago: timedelta = NOW,
    at: datetime | None = None,
    model: str = "",
    **counts: int,
) -> None:
    """Count requests of ``token`` through ``route``: one success, unless ``counts`` differ.

    Those that failed are the last of them.
    """
    moment = (at or timezone.now()) - ago
    owner = UsageOwner(
        route.endpoint_id,
        route.pk,
        route.api_key_id,
        token.pk if token else 0,
        model or route.model,
    )
    facts = {"requests": 1, "within_800_ms": counts.get("requests", 1), **counts}
    usage = Counts.of({name: facts.pop(name, 0) for name in SUMS})
    usage.failures_in_a_row = facts.pop("failures_in_a_row", usage.failures)
    assert not facts
    add_usage({(int(moment.timestamp() // 3600), owner): usage}, moment)


def state_of(endpoint: Endpoint) -> str:
    """Return the state of ``endpoint`` as it is stored now."""
    stored = Endpoint.objects.with_routes().get(pk=endpoint.pk)
    return health_of([stored])[stored.pk].state
