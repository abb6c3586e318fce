"""The stretches of time that usage is shown for."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.utils import timezone

HOURS = 24
DAYS = 30


@dataclass(frozen=True)
class Span:
    slug: str
    name: str
    point: str  # what one point of a chart stands for

    @property
    def is_by_day(self) -> bool:
        return self.point == "day"

    def starts(self, now: datetime) -> list[datetime]:
        """Return when each hour or day begins; the last one is not over yet.

        Hours are those of UTC, days those of the time zone of the pages.
        """
        if self.is_by_day:
            today = timezone.localdate(now)
            days = (today - timedelta(days=back) for back in reversed(range(DAYS)))
            midnights = (timezone.make_aware(datetime.combine(day, time.min)) for day in days)
            return [midnight.astimezone(UTC) for midnight in midnights]
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return [hour - timedelta(hours=back) for back in reversed(range(HOURS))]


LAST_HOURS = Span("24h", "24 hours", "hour")
LAST_DAYS = Span("30d", "30 days", "day")
SPANS = {span.slug: span for span in (LAST_HOURS, LAST_DAYS)}
