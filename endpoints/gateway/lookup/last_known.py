"""What was last read holds for a while if the database cannot be read (``GATEWAY_MAX_STALENESS``).

Nothing holds that was not read, and nothing of which something newer is known: a token that was
seen revoked by one request is revoked for all of its endpoints.
"""

import logging
import math
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from prometheus_client import Gauge

from endpoints.usage.metrics import process_registry

from .directory import DatabaseUnavailable, Directory, Found, FoundRoute

MAX_REMEMBERED = 10_000  # of each kind
# Counts the time that a machine was suspended, which the monotonic clock of Linux leaves out.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Key = TypeVar("Key")
What = TypeVar("What")
logger = logging.getLogger(__name__)
_directories: list["LastKnownDirectory"] = []  # that are open in this process


def stale_seconds() -> float:
    """Return how long ago this process last read its database; 0 while it can."""
    return max((each.stale_seconds for each in tuple(_directories)), default=0)


def can_serve_stale() -> bool:
    """Return whether what this process has read may be used without its database."""
    return any(each.can_serve for each in tuple(_directories))


Gauge(
    "gatehouse_database_stale_seconds",
    "How long ago this process last read the database for the gateway; 0 while it can.",
    registry=process_registry,
).set_function(stale_seconds)


def _now() -> float:
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Seen(Generic[What]):
    """What was read, and when it was asked for."""

    what: What
    at: float


class LastKnownDirectory:
    """A directory that remembers what was read in the last ``max_staleness`` seconds, and reports
    when the database goes away and comes back."""

    def __init__(self, directory: Directory, max_staleness: float) -> None:
        self._directory, self._max_staleness = directory, max_staleness
        self._away_since: float | None = None
        self._last_read = -math.inf
        self._tokens: dict[str, Seen[Found | None]] = {}  # by digest
        self._endpoints: dict[str, Seen[Found]] = {}  # by name
        self._pairs: dict[tuple[str, str], Seen[Found]] = {}
        self._lists: dict[str, Seen[list[tuple[str, datetime]]]] = {}  # by digest
        self._keys: dict[UUID, FoundRoute] | None = None  # the newest that is known, in an outage
        _directories.append(self)

    @property
    def stale_seconds(self) -> float:
        """How long ago the database was last read, or was first found away; 0 while it can be."""
        if self._away_since is None:
            return 0
        return _now() - (self._away_since if self._last_read == -math.inf else self._last_read)

    @property
    def can_serve(self) -> bool:
        """Whether something that was read may still be used."""
        return 0 <= _now() - self._last_read <= self._max_staleness

    async def find(self, digest: str, endpoint: str) -> Found | None:
        asked = _now()
        try:
            found = await self._directory.find(digest, endpoint)
        except DatabaseUnavailable as error:
            self._note_away(error, asked)
            return self._recall(digest, endpoint)
        self._note_read(asked)
        if self._max_staleness:
            self._remember(digest, endpoint, found, asked)
        return found

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        asked = _now()
        try:
            endpoints = await self._directory.endpoints_for(digest)
        except DatabaseUnavailable as error:
            self._note_away(error, asked)
            seen = self._lists.get(digest)
            if seen is None or _now() - seen.at > self._max_staleness:
                raise
            return seen.what
        self._note_read(asked)
        if self._max_staleness:
            _put(self._lists, digest, Seen(endpoints, asked))
        return endpoints

    async def close(self) -> None:
        if self in _directories:
            _directories.remove(self)
        await self._directory.close()

    def _remember(self, digest: str, endpoint: str, found: Found | None, asked: float) -> None:
        """Keep what was read, unless something newer was: queries may overtake one another."""
        token: Seen[Found | None] = Seen(found, asked)
        if found is None:
            if digest in self._tokens:
                _put(self._tokens, digest, token)
            return
        _put(self._tokens, digest, token)
        if found.endpoint_id is not None:
            seen = Seen(found, asked)
            _put(self._pairs, (digest, endpoint), seen)
            _put(self._endpoints, endpoint, seen)
        elif endpoint in self._endpoints:
            _put(self._endpoints, endpoint, Seen(found, asked))

    def _recall(self, digest: str, endpoint: str) -> Found:
        """Return what is known. Raises ``DatabaseUnavailable``, also of what is not known: it may
        exist."""
        token = self._tokens.get(digest)
        if token is None or token.what is None:
            raise DatabaseUnavailable
        seen: Seen[Found] = Seen(token.what, token.at)
        found = replace(token.what, endpoint_id=None, routes=())
        if endpoint:
            newest, pair = self._endpoints.get(endpoint), self._pairs.get((digest, endpoint))
            if newest is None or pair is None or newest.what.endpoint_id != pair.what.endpoint_id:
                raise DatabaseUnavailable
            seen = pair
            routes = tuple(map(self._with_newest_key, newest.what.routes))
            found = replace(
                found,
                endpoint_id=newest.what.endpoint_id,
                enabled=newest.what.enabled,
                allowed=pair.what.allowed,
                routes=routes,
            )
        now = _now()
        if now - seen.at > self._max_staleness:
            raise DatabaseUnavailable
        if found.now is not None:
            found = replace(found, now=found.now + timedelta(seconds=now - token.at))
        return replace(found, stale_seconds=math.ceil(now - seen.at))

    def _with_newest_key(self, route: FoundRoute) -> FoundRoute:
        """Return ``route`` with what was read last of its key, maybe of another endpoint."""
        if self._keys is None:
            by_time = sorted(self._endpoints.values(), key=lambda seen: seen.at)
            routes = [route for seen in by_time for route in seen.what.routes]
            self._keys = {route.key_id: route for route in routes if route.key_id is not None}
        if route.key_id is None:
            return route
        newest = self._keys.get(route.key_id, route)
        return replace(newest, id=route.id, kind=route.kind, weight=route.weight, model=route.model)

    def _note_read(self, asked: float) -> None:
        if self._away_since is not None:
            seconds = _now() - self._away_since
            logger.warning("The gateway reads its database again, after %.0f seconds.", seconds)
            self._away_since = self._keys = None
        self._last_read = max(self._last_read, asked)

    def _note_away(self, error: DatabaseUnavailable, asked: float) -> None:
        """Later requests may have been answered before an earlier one fails."""
        if self._away_since is None and asked >= self._last_read:
            self._away_since = _now()
            logger.error(
                "The gateway cannot read its database (%s). %s",
                error,
                f"What was read in the last {self._max_staleness:g} seconds still serves."
                if self._max_staleness
                else "Requests are refused until it can.",
            )


def _put(seen: dict[Key, Seen[What]], key: Key, new: Seen[What]) -> None:
    """Keep the newest of each key, and not more than ``MAX_REMEMBERED``."""
    old = seen.get(key)
    if old is None and len(seen) >= MAX_REMEMBERED:
        del seen[next(iter(seen))]
    if old is None or old.at <= new.at:
        seen[key] = new
