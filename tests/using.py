"""Usage, as if requests had gone through the gateway."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from endpoints.models import GatewayToken, Route
from endpoints.models.usage import COUNTS, LATENCIES
from endpoints.services import add_usage

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
    """Count requests of ``token`` through ``route``: one that went well, unless told otherwise."""
    moment = (at or timezone.now()) - ago
    whose: tuple[Any, ...] = (
        route.endpoint_id,
        route.pk,
        route.api_key_id,
        token.pk if token else 0,
        model or route.model,
    )
    told = {"requests": 1, "within_800_ms": counts.get("requests", 1), **counts}
    values = [told.get(name, 0) for name in (*COUNTS, *LATENCIES)]
    add_usage({(int(moment.timestamp() // 3600), *whose): values}, moment)
