"""The numbers above the charts of usage."""

from collections.abc import Sequence
from dataclasses import dataclass

from .counts import ERRORS, Outcome
from .numbers import compact, duration, money, percent
from .report import UsageReport

MANY_ERRORS = 0.01  # of all requests
ERROR_NAMES = {
    Outcome.CLIENT_ERROR: "bad requests",
    Outcome.RATE_LIMITED: "rate limited",
    Outcome.REFUSED: "key refused",
    Outcome.ACCOUNT_ERROR: "account or model",
    Outcome.PROVIDER_ERROR: "provider errors",
    Outcome.UNREACHABLE: "could not connect",
}


@dataclass(frozen=True)
class Figure:
    name: str
    value: str
    notes: Sequence[str] = ()
    is_bad: bool = False


def figures_of(report: UsageReport) -> list[Figure]:
    sums = report.sums
    canceled = [f"{compact(sums.canceled)} canceled by clients"] if sums.canceled else []
    errors = sorted(((getattr(sums, name), name) for name in ERRORS), reverse=True)
    p50, p95, p99 = (_about(duration(sums.latency(percent))) for percent in (50, 95, 99))
    cached = f", {compact(sums.cached_tokens)} of it cached" if sums.cached_tokens else ""
    return [
        Figure("Requests", compact(sums.requests), canceled),
        Figure(
            "Errors",
            percent(sums.error_rate),
            [f"{compact(count)} {ERROR_NAMES[name]}" for count, name in errors if count],
            sums.error_rate >= MANY_ERRORS,
        ),
        Figure("Latency, p50", p50, [f"p95 {p95}", f"p99 {p99}"]),
        Figure(
            "Tokens",
            compact(sums.tokens),
            [
                f"{compact(sums.input_tokens)} input{cached}",
                f"{compact(sums.output_tokens)} output",
            ],
        ),
        _cost(report),
    ]


def _cost(report: UsageReport) -> Figure:
    notes = ["at list prices"]
    if report.unpriced:
        first, *others = (item.model for item in report.unpriced)
        which = f"{first} and {len(others)} more" if others else first
        notes = [*(["at least"] if report.cost is not None else []), f"price unknown: {which}"]
    if report.cost is None:
        return Figure("Cost", "Unknown", notes)
    text = money(report.cost)
    return Figure(
        "Cost", f"≥ {text}" if report.unpriced and text[0] == "$" else _about(text), notes
    )


def _about(text: str) -> str:
    """Mark an estimate as one, unless it already is."""
    return text if text[0] in "<>—" else f"≈ {text}"
