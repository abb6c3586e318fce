"""The few numbers that stand above the charts of usage."""

from collections.abc import Sequence
from dataclasses import dataclass

from endpoints.services.usage_report import ERRORS, Sums, UsageReport

from .numbers import compact, duration, money, percent

MANY_ERRORS = 0.01  # of all requests
ERROR_NAMES = {
    "caller_errors": "bad requests",
    "rate_limited": "rate limited",
    "refused": "key refused",
    "provider_errors": "provider errors",
    "unreachable": "not reached",
}


@dataclass(frozen=True)
class Figure:
    name: str
    value: str
    notes: Sequence[str] = ()
    is_bad: bool = False


def figures_of(report: UsageReport) -> list[Figure]:
    sums = report.sums
    return [
        Figure("Requests", compact(sums.requests), _hung_up(sums)),
        Figure("Errors", percent(sums.error_rate), _errors(sums), sums.error_rate >= MANY_ERRORS),
        Figure("Latency, p50", _latency(sums, 50), [f"p{n} {_latency(sums, n)}" for n in (95, 99)]),
        Figure("Tokens", compact(sums.tokens), _tokens(sums)),
        Figure("Cost", _cost(report), _prices(report)),
    ]


def _hung_up(sums: Sums) -> list[str]:
    return [f"{compact(sums.cancelled)} hung up by callers"] if sums.cancelled else []


def _errors(sums: Sums) -> list[str]:
    counts = sorted(((getattr(sums, name), name) for name in ERRORS), reverse=True)
    return [f"{compact(count)} {ERROR_NAMES[name]}" for count, name in counts if count]


def _latency(sums: Sums, percent: int) -> str:
    return _about(duration(sums.latency(percent)))


def _tokens(sums: Sums) -> list[str]:
    cached = f", {compact(sums.cached_tokens)} of it cached" if sums.cached_tokens else ""
    return [f"{compact(sums.input_tokens)} input{cached}", f"{compact(sums.output_tokens)} output"]


def _cost(report: UsageReport) -> str:
    if report.cost is None:
        return "Unknown"
    told = money(report.cost)
    return f"≥ {told}" if report.unpriced and told[0] == "$" else _about(told)


def _prices(report: UsageReport) -> list[str]:
    if not report.unpriced:
        return ["by list prices"]
    first, *others = (item.model for item in report.unpriced)
    which = f"{first} and {len(others)} more" if others else first
    return [*(["at least"] if report.cost is not None else []), f"price unknown: {which}"]


def _about(told: str) -> str:
    """Mark an estimate as one, where it does not say so by itself."""
    return told if told[0] in "<>—" else f"≈ {told}"
