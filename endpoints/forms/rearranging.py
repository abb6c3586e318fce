"""Buttons of the endpoint form that add, remove and move routes. Nothing is saved by them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endpoints.services.routes import ALL_TRAFFIC, MOST_ROUTES, name_of

from .routes import (
    PRIMARY,
    Row,
    empty_row,
    in_form,
    of_kind,
    title_of,
    typed_rows,
    weight_sum,
)

FULL = f"An endpoint has at most {MOST_ROUTES} routes."

_BUTTON = re.compile(r"(?:add_(primary|fallback))|(remove|up|down)_([1-9]\d?)", re.ASCII)


@dataclass
class Rearrangement:
    """What a button made of ``rows``, what has the focus next, and what to tell about it."""

    rows: list[Row]
    focus: str = "model"
    told: str = ""

    def add(self, kind: str) -> None:
        if len(self.rows) >= MOST_ROUTES:
            self.told = FULL
            return
        new = empty_row(kind)
        if kind == PRIMARY:
            _share(of_kind(self.rows, PRIMARY), new)
        self.rows = in_form([*self.rows, new])
        number = len(of_kind(self.rows, PRIMARY)) if kind == PRIMARY else len(self.rows)
        self.focus, self.told = name_of("model", number), f"{title_of(self.rows, number)} added."

    def remove(self, number: int) -> None:
        self.told = f"{title_of(self.rows, number)} removed."
        removed = self.rows.pop(number - 1)
        self.focus = f"add_{removed['kind']}"

    def up(self, number: int) -> None:
        self._swap(number, number - 1, "up")

    def down(self, number: int) -> None:
        self._swap(number, number + 1, "down")

    def _swap(self, number: int, other: int, direction: str) -> None:
        rows = self.rows
        rows[number - 1], rows[other - 1] = rows[other - 1], rows[number - 1]
        buttons = buttons_of(rows, other)
        self.focus = buttons.get(direction) or next(iter(buttons.values()))
        self.told = f"It is the {title_of(rows, other)} now."


def rearranged(data: Mapping[str, Any]) -> Rearrangement | None:
    """Return what the button that was pressed makes of the routes, if it was one of theirs."""
    pressed = next(filter(None, map(_BUTTON.fullmatch, data)), None)
    if pressed is None:
        return None
    name, (kind, act, number) = pressed[0], pressed.groups()
    result = Rearrangement(typed_rows(data))
    if kind:
        result.add(kind)
    elif name in buttons_of(result.rows, int(number)).values():
        getattr(result, act)(int(number))
    return result


def buttons_of(rows: list[Row], number: int) -> dict[str, str]:
    """Return the buttons of a row: fallbacks have an order, and one primary route has to stay."""
    first = len(of_kind(rows, PRIMARY)) + 1
    fallback = first <= number <= len(rows)
    may = {
        "up": fallback and number > first,
        "down": fallback and number < len(rows),
        "remove": fallback or (first > 2 and 1 <= number < first),
    }
    return {act: f"{act}_{number}" for act, allowed in may.items() if allowed}


def _share(others: list[Row], new: Row) -> None:
    """Give ``new`` half of what was one route's, or else what is missing to all the traffic."""
    if len(others) == 1:
        others[0]["weight"] = new["weight"] = str(ALL_TRAFFIC // 2)
    else:
        new["weight"] = str(max(0, ALL_TRAFFIC - weight_sum(others)))
