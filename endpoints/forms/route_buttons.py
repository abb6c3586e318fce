"""Buttons of the endpoint form that add, remove and move routes. Nothing is saved by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endpoints.services.routes import ALL_TRAFFIC, MOST_ROUTES, name_of

from .routes import FALLBACK, PRIMARY, Row, empty_row, in_form, of_kind, title_of, weight_sum

FULL = f"An endpoint has at most {MOST_ROUTES} routes."


@dataclass
class Rearrangement:
    """What a button made of ``rows``, which input has the focus next, and the status message."""

    rows: list[Row]
    focus: str
    message: str = ""


def rearranged(rows: list[Row], data: Mapping[str, Any]) -> Rearrangement | None:
    """Return what the button that was pressed makes of ``rows``, if it was one of these."""
    for kind in (PRIMARY, FALLBACK):
        if f"add_{kind}" in data:
            return _with_another(rows, kind)
    for index, row in enumerate(rows):
        for act, button in buttons_of(rows, index).items():
            if button in data and act == "remove":
                kept = [*rows[:index], *rows[index + 1 :]]
                message = f"{title_of(rows, index)} removed."
                return Rearrangement(kept, f"add_{row['kind']}", message)
            if button in data:
                to = index - 1 if act == "up" else index + 1
                rows[index], rows[to] = rows[to], rows[index]
                buttons = buttons_of(rows, to)
                focus = buttons.get(act) or next(iter(buttons.values()))
                return Rearrangement(rows, focus, f"This is now the {title_of(rows, to)}.")
    return None


def buttons_of(rows: list[Row], index: int) -> dict[str, str]:
    """Return the buttons of a row: fallbacks have an order, and one primary route has to stay."""
    first = len(of_kind(rows, PRIMARY))
    is_fallback = rows[index]["kind"] == FALLBACK
    offered = {
        "up": is_fallback and index > first,
        "down": is_fallback and index < len(rows) - 1,
        "remove": is_fallback or first > 1,
    }
    return {act: f"{act}_{index}" for act, is_offered in offered.items() if is_offered}


def _with_another(rows: list[Row], kind: str) -> Rearrangement:
    """Add a route. A primary one gets half of the only other's traffic, or what is left of all."""
    if len(rows) >= MOST_ROUTES:
        return Rearrangement(rows, name_of("model", 0), FULL)
    new = empty_row(kind)
    others = of_kind(rows, PRIMARY)
    if kind == PRIMARY and len(others) == 1:
        others[0]["weight"] = new["weight"] = str(ALL_TRAFFIC // 2)
    elif kind == PRIMARY:
        new["weight"] = str(max(0, ALL_TRAFFIC - weight_sum(others)))
    index = len(others) if kind == PRIMARY else len(rows)
    rows = in_form([*rows, new])
    return Rearrangement(rows, name_of("model", index), f"{title_of(rows, index)} added.")
