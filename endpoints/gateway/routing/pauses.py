"""In which order the routes of an endpoint are tried."""

import random
import time
from collections.abc import Iterable
from enum import IntEnum
from uuid import UUID

from endpoints.gateway.http.paths import Call
from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.models import Route

from .conversations import primary_for

MAX_PAUSE = 300  # seconds that a provider may ask for with Retry-After
TROUBLE_PAUSE = 60  # seconds without another attempt, where the provider does not say when it ends
FORGET = (
    3600  # seconds after trouble that nothing has tried again, such as with replaced credentials
)
TRIAL = 10  # seconds in which one request tries whether it has ended, and others do not

_chance = random.SystemRandom().random
# A key's credentials, and maybe a model, and maybe an operation: all of that is paused.
Scope = tuple[UUID | None] | tuple[UUID | None, str] | tuple[UUID | None, str, str]


class Extent(IntEnum):
    """What else of a key an error concerns: an index into ``scopes_of``."""

    KEY = 0
    MODEL = 1
    CALL = 2  # of one operation, for one model


def usable(routes: Iterable[FoundRoute]) -> list[FoundRoute]:
    """Return the routes that have credentials and are not disabled, in their order."""
    return [route for route in routes if route.version_id and route.key_enabled]


def in_order(routes: Iterable[FoundRoute], conversation: bytes = b"") -> list[FoundRoute]:
    """Return one primary, drawn by weight, then the fallbacks, then the other primaries.

    With a ``conversation``, the primary is the same for each of its requests.

    A primary of weight 0 is never drawn, and serves only when all else has failed.
    """
    routes = usable(routes)
    if len(routes) < 2:
        return routes
    primaries = [route for route in routes if route.kind == Route.Kind.PRIMARY]
    fallbacks = [route for route in routes if route.kind != Route.Kind.PRIMARY]
    first = primary_for(conversation, primaries) if conversation else _draw(primaries)
    others = [route for route in primaries if route is not first]
    return [*([first] if first else []), *fallbacks, *others]


def _draw(primaries: list[FoundRoute]) -> FoundRoute | None:
    point = _chance() * sum(route.weight for route in primaries)
    for route in primaries:
        point -= route.weight
        if point < 0:
            return route
    return primaries[0] if primaries else None


def called(call: Call) -> str:
    """Return the name of what is called; none for a native passthrough."""
    return call.operation or call.google_method


def scope_of(route: FoundRoute, call: Call, extent: Extent) -> Scope:
    return scopes_of(route, called(call))[extent]


def scopes_of(route: FoundRoute, operation: str) -> tuple[Scope, Scope, Scope]:
    """Return what a request through ``route`` belongs to, the widest first."""
    version, model = route.version_id, route.model
    return (version,), (version, model), (version, model, operation)


class Pauses:
    """Keys and models that this process tries last for a while, whichever endpoint uses them.

    After a rate limit, until the provider said; after other trouble, until one request
    succeeds. One request tries every ``TROUBLE_PAUSE`` seconds.
    """

    def __init__(self) -> None:
        self._until: dict[Scope, float] = {}
        self._troubles: set[Scope] = set()

    def note_limit(self, scope: Scope, seconds: float) -> None:
        """Pause ``scope`` for as long as the provider asked."""
        if seconds > 0:
            self._until[scope] = time.monotonic() + min(seconds, MAX_PAUSE)

    def note_trouble(self, scope: Scope) -> None:
        """Pause ``scope`` until a request succeeds."""
        self._until[scope] = time.monotonic() + TROUBLE_PAUSE
        self._troubles.add(scope)

    def clear(self, route: FoundRoute, operation: str) -> None:
        """A request succeeded."""
        if self._troubles:
            for scope in scopes_of(route, operation):
                if scope in self._troubles:
                    self._troubles.discard(scope)
                    self._until.pop(scope, None)

    def put_last(self, routes: list[FoundRoute], operation: str) -> list[FoundRoute]:
        """Return ``routes`` with those that are paused at the end, the soonest first."""
        if not self._until or len(routes) < 2:
            return routes
        now = time.monotonic()
        self._until = {
            scope: until
            for scope, until in self._until.items()
            if until > now or (scope in self._troubles and until > now - FORGET)
        }
        self._troubles &= self._until.keys()
        return sorted(routes, key=lambda route: self._paused_until(route, operation, now))

    def _paused_until(self, route: FoundRoute, operation: str, now: float) -> float:
        latest = 0.0
        for scope in scopes_of(route, operation):
            until = self._until.get(scope, 0.0)
            if until > now:
                latest = max(latest, until)
            elif until:  # trouble that may have ended: this request tries
                self._until[scope] = now + TRIAL
        return latest
