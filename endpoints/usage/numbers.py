"""Numbers of usage as people read them: short, and no more exact than they are."""

import math
from decimal import Decimal

_UNITS = ((1_000_000_000_000, "T"), (1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
_CENT = Decimal("0.01")


def compact(number: float) -> str:
    """1234 → “1,234”, 12345 → “12.3k”, 20000 → “20k”, 1234567 → “1.23M”."""
    if number < 10_000:
        return f"{number:,.0f}"
    rounded = float(f"{number:.3g}")
    size, unit = next(item for item in _UNITS if rounded >= item[0])
    return f"{rounded / size:g}{unit}"


def money(dollars: Decimal | None) -> str:
    """0.004 → “< $0.01”, 1234.5 → “$1,234.50”, 12345.6 → “$12,346”."""
    if dollars is None:
        return "—"
    if 0 < dollars < _CENT:
        return "< $0.01"
    return f"${dollars:,.2f}" if dollars < 10_000 else f"${dollars:,.0f}"


def duration(milliseconds: float | None) -> str:
    """0.4 → “< 1 ms”, 643 → “640 ms”, 1643 → “1.6 s”: two digits, as this is estimated."""
    if milliseconds is None:
        return "—"
    if math.isinf(milliseconds):
        return "> 51 s"
    if milliseconds < 1:
        return "< 1 ms"
    if milliseconds < 995:
        return f"{_two_digits(milliseconds):.0f} ms"
    seconds = _two_digits(milliseconds / 1000)
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def percent(share: float) -> str:
    """0.0004 → “< 0.1%”, 0.0123 → “1.2%”, 0.5 → “50%”."""
    if not 0 < share < 1:
        return f"{share:.0%}"
    if share < 0.001:
        return "< 0.1%"
    if share > 0.999:
        return "> 99.9%"
    return f"{share * 100:.1f}%" if share < 0.1 or share > 0.9 else f"{share * 100:.0f}%"


def _two_digits(number: float) -> float:
    return round(number, 1 - math.floor(math.log10(number)))
