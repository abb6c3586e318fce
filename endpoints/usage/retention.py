"""Forget the hours of long ago."""

from datetime import timedelta

from django.utils import timezone

from .models import ALL_TIME, UsageBucket

BATCH = 5000  # rows; a transaction each, so that counting never waits for long


def trim_usage(*, keep_days: int, dry_run: bool = False) -> int:
    """Delete usage by the hour that is older, and return how many rows. Counts of all time stay."""
    oldest = timezone.now() - timedelta(days=keep_days)
    old = UsageBucket.objects.filter(hour__gt=ALL_TIME, hour__lt=oldest)
    if dry_run:
        return old.count()
    trimmed = 0
    while deleted := UsageBucket.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()[0]:
        trimmed += deleted
    return trimmed
