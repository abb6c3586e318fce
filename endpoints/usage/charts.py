"""Charts of usage, as shapes for an inline SVG: no script, and nothing that a strict CSP forbids.

Only bars and lines are drawn, in an image that is stretched to its box. Labels are text
around it, so they neither stretch nor shrink.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from gatewayproject.console.wording import counted

from .counts import Counts
from .numbers import compact
from .report import UsageReport

WIDTH, HEIGHT = 240, 100
GAP = 0.2  # of a bar's place
LEAST = 1.5  # what is drawn of something that is hardly there
# So that half of them is whole.
STEPS = (2, 4, 6, 8, 10)
STEPS_BY_TENS = (1, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True)
class Kind:
    """What one chart shows: two things, one on top of the other."""

    slug: str
    title: str
    lower: str
    upper: str
    values: Callable[[Counts], tuple[int, int]]
    in_words: Callable[[Counts], str]


@dataclass(frozen=True)
class Bar:
    words: str
    is_running: bool  # its hour or day is not over yet
    place: float  # from the left
    place_width: float
    lower: float
    upper: float

    @property
    def left(self) -> float:
        return round(self.place + self.place_width * GAP / 2, 2)

    @property
    def width(self) -> float:
        return round(self.place_width * (1 - GAP), 2)

    @property
    def lower_top(self) -> float:
        return round(HEIGHT - self.lower, 2)

    @property
    def upper_top(self) -> float:
        return round(HEIGHT - self.lower - self.upper, 2)


@dataclass(frozen=True)
class Chart:
    kind: Kind
    words: str
    bars: Sequence[Bar]
    scale: tuple[str, str, str]  # from top to bottom
    times: tuple[str, str, str]  # the first, the middle and the last


REQUESTS = Kind(
    slug="requests",
    title="Requests",
    lower="Served",
    upper="Failed",
    values=lambda sums: (sums.requests - sums.errors, sums.errors),
    in_words=lambda sums: f"{counted(sums.requests, 'request')}, {sums.errors:,} failed",
)
TOKENS = Kind(
    slug="tokens",
    title="Tokens",
    lower="Input",
    upper="Output",
    values=lambda sums: (sums.input_tokens, sums.output_tokens),
    in_words=lambda sums: f"{counted(sums.input_tokens, 'token')} in, {sums.output_tokens:,} out",
)


def charts_of(report: UsageReport) -> list[Chart]:
    return [_chart(kind, report) for kind in (REQUESTS, TOKENS)]


def label_of(start: datetime, report: UsageReport) -> str:
    """Name an hour or a day, as at the foot of a chart."""
    local = timezone.localtime(start)
    return f"{local:%b} {local.day}" if report.span.is_by_day else f"{local:%H:%M}"


def _chart(kind: Kind, report: UsageReport) -> Chart:
    points = report.points
    heights = [sum(kind.values(point.sums)) for point in points]
    top = round_up(max(heights))
    width = WIDTH / len(points)
    bars = [_bar(kind, report, at, width, top) for at in range(len(points))]
    middle = points[len(points) // 2].start
    last = "Today" if report.span.is_by_day else "Now"
    if report.span.last:
        last = label_of(points[-1].start, report)
    return Chart(
        kind,
        words=_in_words(kind, report, heights),
        bars=bars,
        scale=(compact(top), compact(top / 2), "0"),
        times=(label_of(points[0].start, report), label_of(middle, report), last),
    )


def _bar(kind: Kind, report: UsageReport, at: int, width: float, top: int) -> Bar:
    point = report.points[at]
    lower, upper = (
        max(round(value / top * HEIGHT, 2), LEAST) if value else 0
        for value in kind.values(point.sums)
    )
    end = report.span.end()
    is_running = at == len(report.points) - 1 and (end is None or end > timezone.now())
    label = f"{label_of(point.start, report)}{', so far' if is_running else ''}"
    words = f"{label}: {kind.in_words(point.sums)}"
    return Bar(words, is_running, round(at * width, 2), width, min(lower, HEIGHT - upper), upper)


def _in_words(kind: Kind, report: UsageReport, heights: Sequence[int]) -> str:
    text = f"{kind.in_words(report.sums)} {report.span.phrase}."
    if not any(heights):
        return text
    most = report.points[heights.index(max(heights))]
    when = f"{'on' if report.span.is_by_day else 'at'} {label_of(most.start, report)}"
    return f"{text} Most in one {report.span.point}: {kind.in_words(most.sums)}, {when}."


def round_up(value: int) -> int:
    """Return the next number that halves well."""
    magnitude: int = 10 ** (len(str(value)) - 1)
    steps = STEPS_BY_TENS if magnitude > 1 else STEPS
    return next(step * magnitude for step in steps if step * magnitude >= value)
