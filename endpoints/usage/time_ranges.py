"""The stretches of time that usage is shown for."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone

HOURS = 24
LONGEST = 366  # days


@dataclass(frozen=True)
class Span:
    slug: str
    name: str
    point: str  # what one point of a chart stands for: "hour" or "day"
    days: int = 1
    last: date | None = None  # the last day of a range; without it, the span ends now

    @property
    def is_by_day(self) -> bool:
        return self.point == "day"

    @property
    def phrase(self) -> str:
        """Say when, after a number: “in the last 7 days”."""
        return f"from {self.name}" if self.last else f"in the last {self.name}"

    def starts(self, now: datetime) -> list[datetime]:
        """Return when each hour or day begins; without ``last``, the last one is not over yet.

        Hours are those of UTC, days those of the time zone of the pages.
        """
        last = self.last or timezone.localdate(now)
        if self.is_by_day:
            return [_midnight(last - timedelta(days=back)) for back in reversed(range(self.days))]
        if self.last:
            first, end = _midnight(last), _midnight(last + timedelta(days=1))
            hours = int((end - first) / timedelta(hours=1))  # 23 to 25
            return [first + timedelta(hours=hour) for hour in range(hours)]
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return [hour - timedelta(hours=back) for back in reversed(range(HOURS))]

    def end(self) -> datetime | None:
        """Return when a range is over."""
        return _midnight(self.last + timedelta(days=1)) if self.last else None


def span_between(first: date, last: date) -> Span:
    """Return the range of whole days; a single day is shown by the hour."""
    days = (last - first).days + 1
    name = _named(first) if days == 1 else f"{_named(first)} to {_named(last)}"
    return Span("custom", name, "hour" if days == 1 else "day", days, last)


def _named(day: date) -> str:
    return f"{day:%b} {day.day}, {day.year}"


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)


LAST_HOURS = Span("24h", "24 hours", "hour")
LAST_WEEK = Span("7d", "7 days", "day", 7)
LAST_DAYS = Span("30d", "30 days", "day", 30)
SPANS = {span.slug: span for span in (LAST_HOURS, LAST_WEEK, LAST_DAYS)}
