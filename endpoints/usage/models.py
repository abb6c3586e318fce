"""Usage: what went through the gateway, counted by the hour."""

from datetime import UTC, datetime
from typing import Any

from django.db import models

from apikeys.models import ApiKey
from endpoints.models.endpoint import Endpoint
from endpoints.models.gateway_token import GatewayToken
from endpoints.models.route import Route

# The hour of the rows that count everything so far: /metrics and “last used” read them.
ALL_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def _count() -> "models.PositiveBigIntegerField[int, int]":
    return models.PositiveBigIntegerField(default=0)


def _outlives(to: type[models.Model]) -> "models.ForeignKey[Any, Any]":
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
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    failures_in_a_row = _count()  # since the last success
    requests = _count()
    client_errors = _count()
    rate_limited = _count()
    refused = _count()
    account_errors = _count()
    provider_errors = _count()
    unreachable = _count()
    canceled = _count()
    input_tokens = _count()
    output_tokens = _count()
    cached_tokens = _count()
    duration_ms = _count()
    first_byte_ms = _count()  # of successful requests
    within_50_ms = _count()
    within_100_ms = _count()
    within_200_ms = _count()
    within_400_ms = _count()
    within_800_ms = _count()
    within_1600_ms = _count()
    within_3200_ms = _count()
    within_6400_ms = _count()
    within_12800_ms = _count()
    within_25600_ms = _count()
    within_51200_ms = _count()
    slower = _count()
    first_byte_within_50_ms = _count()
    first_byte_within_100_ms = _count()
    first_byte_within_200_ms = _count()
    first_byte_within_400_ms = _count()
    first_byte_within_800_ms = _count()
    first_byte_within_1600_ms = _count()
    first_byte_within_3200_ms = _count()
    first_byte_within_6400_ms = _count()
    first_byte_within_12800_ms = _count()
    first_byte_within_25600_ms = _count()
    first_byte_within_51200_ms = _count()
    first_byte_slower = _count()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "endpoint", "route", "api_key", "token", "model"],
                name="usage_unique",
            )
        ]
        indexes = [
            models.Index(fields=["endpoint", "hour"], name="usage_endpoint"),
            models.Index(fields=["api_key", "hour"], name="usage_key"),
            models.Index(fields=["token", "hour"], name="usage_token"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h: {self.model}"
