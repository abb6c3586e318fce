"""Tries routes last whose provider does not respond, so that not every request waits for it.

After ``FAILURES`` in a row, a circuit opens: its routes are tried last for a pause that doubles
with each failed trial. Then one request at a time tries whether the provider responds again; the
first response closes the circuit. No request is refused because of it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from uuid import UUID

from django.db import close_old_connections

from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.services.open_circuits import remove_open_circuit, store_open_circuit

from .pauses import Extent

logger = logging.getLogger(__name__)

FAILURES = 3  # in a row
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds
JITTER = 0.2  # so that the processes do not all try at the same time
MOST = 10_000  # circuits of one process; those of replaced credentials stay until then

_chance = random.SystemRandom().random
# Credentials, and a model; none if no connection can be made, which concerns all models.
Scope = tuple[UUID, str]


@dataclass(slots=True)
class Circuit:
    """Failures in a row, and what follows from them."""

    failures: int = 0
    pause: float = 0  # seconds without jitter; 0 while it is closed
    until: float = 0
    trial: object = None  # the request that tries the route now

    def is_open(self, now: float) -> bool:
        return bool(self.pause) and (self.until > now or self.trial is not None)


class CircuitBreaker:
    """The circuits of one process, whichever endpoint uses them."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._circuits: dict[Scope, Circuit] = {}
        self._writing: set[asyncio.Future[None]] = set()

    async def close(self) -> None:
        """Wait until every change is stored."""
        await asyncio.gather(*self._writing)

    def put_last(self, routes: list[FoundRoute]) -> list[FoundRoute]:
        """Return ``routes`` with those whose circuit is open at the end, unless all are."""
        if not self._circuits or len(routes) < 2:
            return routes
        now = time.monotonic()
        return sorted(routes, key=lambda route: self._is_open(route, now))

    def begin(self, route: FoundRoute, attempt: object) -> None:
        """``attempt`` is about to try ``route``. After a pause, it is the one that does."""
        if self._circuits:
            now = time.monotonic()
            for scope in _scopes_of(route):
                circuit = self._circuits.get(scope)
                if circuit is not None and circuit.pause and not circuit.is_open(now):
                    circuit.trial = attempt

    def end(self, route: FoundRoute, attempt: object) -> None:
        """Let another request try, if ``attempt`` did and found nothing out."""
        if self._circuits:
            for scope in _scopes_of(route):
                circuit = self._circuits.get(scope)
                if circuit is not None and circuit.trial is attempt:
                    circuit.trial = None

    def note_response(self, route: FoundRoute) -> None:
        """The provider responded, whatever it said."""
        if self._circuits:
            for scope in _scopes_of(route):
                self._close(scope, route)

    def note_no_response(self, route: FoundRoute, extent: Extent, attempt: object) -> None:
        """No connection was made (``Extent.KEY``), or no response came over it."""
        of_the_key, of_the_model = _scopes_of(route)
        scope = of_the_key if extent is Extent.KEY else of_the_model
        if extent is not Extent.KEY:
            self._close(of_the_key, route)
        if len(self._circuits) >= MOST:
            self._circuits.clear()
        circuit = self._circuits.setdefault(scope, Circuit())
        circuit.failures += 1
        if not circuit.pause and circuit.failures >= FAILURES:
            circuit.pause = FIRST_PAUSE
            what = f"{route.key_name}, {route.model}" if scope[1] else route.key_name
            logger.warning("The provider of %s does not respond. It is tried last.", what)
        elif circuit.pause and circuit.trial is attempt:
            circuit.pause = min(2 * circuit.pause, LONGEST_PAUSE)
        else:  # still closed; or it began before the circuit opened, or as the last resort
            return
        seconds = circuit.pause * (1 + JITTER * (2 * _chance() - 1))
        circuit.until = time.monotonic() + seconds
        self._write(lambda: store_open_circuit(*scope, seconds=seconds))

    def _is_open(self, route: FoundRoute, now: float) -> bool:
        return any(
            circuit.is_open(now)
            for scope in _scopes_of(route)
            if (circuit := self._circuits.get(scope)) is not None
        )

    def _close(self, scope: Scope, route: FoundRoute) -> None:
        circuit = self._circuits.pop(scope, None)
        if circuit is not None and circuit.pause:
            what = f"{route.key_name}, {route.model}" if scope[1] else route.key_name
            logger.info("The provider of %s responds again.", what)
            self._write(lambda: remove_open_circuit(*scope))

    def _write(self, change: Callable[[], None]) -> None:
        def write() -> None:
            try:
                close_old_connections()
                change()
            except Exception as error:  # noqa: BLE001 - pages are behind, and serving goes on
                logger.error("Could not store an open circuit: %s", type(error).__name__)

        future = asyncio.get_running_loop().run_in_executor(self._executor, write)
        self._writing.add(future)
        future.add_done_callback(self._writing.discard)


def _scopes_of(route: FoundRoute) -> tuple[Scope, Scope]:
    """Return the scopes of the key and of its model. A route that is tried has credentials."""
    version: UUID = route.version_id  # type: ignore[assignment]
    return (version, ""), (version, route.model)
