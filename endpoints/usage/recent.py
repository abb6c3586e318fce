"""Recent traffic, read from the usage counts: which routes fail, when tokens were last used."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from django.db.models import F, Max, Q, Window
from django.utils import timezone

from endpoints.traffic import Failures

from .models import ALL_TIME, UsageBucket

MIN_FAILURES = 3  # requests in a row without a success, before a route counts as failing
FAILING_AFTER = timedelta(minutes=1)  # without a success: on a busy route, three soon fail in a row


class RecordedTraffic:
    def failures(self, endpoints: Collection[int] | None = None) -> dict[int, Failures]:
        """Return the routes of ``endpoints``, or of all, on which nothing succeeds. One query.

        Enough requests failed in this hour and the one before, since the last success. Client
        errors and canceled requests do not count against the route.
        """
        current = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        recent = UsageBucket.objects.filter(
            hour__in=(current, current - timedelta(hours=1))
        ).order_by()
        if endpoints is None:
            failing = recent.filter(failures_in_a_row__gt=0)
            recent = recent.filter(endpoint__in=failing.values("endpoint"))
        else:
            recent = recent.filter(endpoint__in=endpoints)
        long_ago = timezone.now() - FAILING_AFTER
        unbroken = (
            recent.annotate(succeeded_at=Window(Max("last_success_at"), partition_by="route"))
            .filter(
                Q(succeeded_at=None, failures_in_a_row__gt=0)
                | Q(
                    succeeded_at__lte=F("last_failure_at"),
                    succeeded_at__lt=long_ago,
                    failures_in_a_row__gt=0,
                )
            )
            .values_list("route", "failures_in_a_row", "succeeded_at", "hour", "last_failure_at")
        )
        found: dict[int, Failures] = {}
        for route, count, succeeded_at, hour, last_at in unbroken:
            each = Failures(count, succeeded_at or hour, last_at or hour)
            found[route] = found[route].plus(each) if route in found else each
        return {route: each for route, each in found.items() if each.count >= MIN_FAILURES}

    def last_uses(self, tokens: Collection[int]) -> Mapping[int, datetime]:
        usage = UsageBucket.objects.filter(hour=ALL_TIME, token__in=tokens)
        return dict(usage.values_list("token").annotate(Max("last_at")).order_by())
