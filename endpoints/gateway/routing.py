"""In which order the routes of an endpoint are tried."""

import random
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from .directory import FoundRoute

MAX_PAUSE = 300  # seconds that a provider may ask for with Retry-After

_chance = random.SystemRandom().random


def in_order(routes: Iterable[FoundRoute]) -> list[FoundRoute]:
    """Return one primary, drawn by weight, then the fallbacks, then the other primaries.

    A primary of weight 0 is never drawn, and serves only when all else has failed.
    """
    usable = [route for route in routes if route.version_id and route.key_enabled]
    if len(usable) < 2:
        return usable
    primaries = [route for route in usable if route.kind == "primary"]
    fallbacks = [route for route in usable if route.kind != "primary"]
    first = _draw(primaries)
    others = [route for route in primaries if route is not first]
    return [*([first] if first else []), *fallbacks, *others]


def _draw(primaries: list[FoundRoute]) -> FoundRoute | None:
    point = _chance() * sum(route.weight for route in primaries)
    for route in primaries:
        point -= route.weight
        if point < 0:
            return route
    return primaries[0] if primaries else None


def _seconds_in(retry_after: str) -> float:
    """Return how long a provider asks to wait; both forms of RFC 9110, section 10.2.3."""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:6])
    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0


class Pauses:
    """Routes whose provider has asked this process to wait: they are tried last until then."""

    def __init__(self) -> None:
        self._until: dict[tuple[int, object], float] = {}

    def note(self, route: FoundRoute, retry_after: str) -> None:
        """Take down a Retry-After: seconds, or a date."""
        pause = min(_seconds_in(retry_after), MAX_PAUSE)
        if pause > 0:
            self._until[route.id, route.version_id] = time.monotonic() + pause

    def put_last(self, routes: list[FoundRoute]) -> list[FoundRoute]:
        """Return ``routes`` with those that are to wait at the end, in their order."""
        if not self._until or len(routes) < 2:
            return routes
        now = time.monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return sorted(routes, key=lambda route: (route.id, route.version_id) in self._until)
