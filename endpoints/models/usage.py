"""Usage: what went through the gateway, counted by the hour."""

from datetime import UTC, datetime

from django.db import models

from apikeys.models import ApiKey

from .endpoint import Endpoint
from .gateway_token import GatewayToken
from .route import Route

# The hour of the rows that count everything so far: what /metrics and “last used” read.
ALL_TIME = datetime(1970, 1, 1, tzinfo=UTC)

COUNTS = (
    "requests",
    "caller_errors",
    "rate_limited",
    "refused",
    "provider_errors",
    "unreachable",
    "cancelled",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "duration_ms",
)
# Upper bounds of the latency histogram, in milliseconds; the last column has no bound.
LATENCY_BOUNDS = (50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200)
LATENCIES = (*(f"within_{bound}_ms" for bound in LATENCY_BOUNDS), "slower")


def _outlives(to: type[models.Model]) -> models.ForeignKey:
    """A reference without a constraint: usage stays when what it counted is deleted."""
    return models.ForeignKey(to, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")


class UsageBucket(models.Model):
    """What one token sent through one route in one hour, in UTC."""

    hour = models.DateTimeField()
    endpoint = _outlives(Endpoint)
    route = _outlives(Route)
    api_key = _outlives(ApiKey)
    token = _outlives(GatewayToken)
    model = models.CharField(max_length=200)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "endpoint", "route", "api_key", "token", "model"],
                name="endpoints_usage_unique",
            )
        ]
        indexes = [
            models.Index(fields=["endpoint", "hour"], name="endpoints_usage_endpoint"),
            models.Index(fields=["api_key", "hour"], name="endpoints_usage_key"),
            models.Index(fields=["token", "hour"], name="endpoints_usage_token"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h: {self.model}"


for _name in (*COUNTS, *LATENCIES):
    UsageBucket.add_to_class(_name, models.PositiveBigIntegerField(default=0))
