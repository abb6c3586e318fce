"""Looks after all requests under way, a few times a second.

A timer and a listener for every request would cost more than opening its key.
"""

import asyncio

from .exchange import NEVER, Exchange

EVERY = 0.25  # seconds: how late a deadline may be noticed
LISTEN_AFTER = 0.5  # seconds; answers that come sooner need nobody to listen for a hang-up


class Watch:
    """``with watch.over(exchange):`` ends the request at its deadline, or when its caller goes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._exchanges: set[Exchange] = set()
        self._next: asyncio.TimerHandle | None = None

    def over(self, exchange: Exchange) -> "_Over":
        return _Over(self, exchange)

    def seconds(self, seconds: float) -> float:
        """Return the deadline that is ``seconds`` away."""
        return self._loop.time() + seconds

    def add(self, exchange: Exchange) -> None:
        self._exchanges.add(exchange)
        if self._next is None:
            self._next = self._loop.call_later(EVERY, self._look)

    def remove(self, exchange: Exchange) -> None:
        self._exchanges.discard(exchange)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        self._next = self._loop.call_later(EVERY, self._look) if self._exchanges else None
        for exchange in list(self._exchanges):
            if exchange.deadline <= now:
                exchange.time_out()
            elif now - exchange.since >= LISTEN_AFTER:
                exchange.listen()


class _Over:
    __slots__ = ("_exchange", "_watch")

    def __init__(self, watch: Watch, exchange: Exchange) -> None:
        self._watch, self._exchange = watch, exchange

    def __enter__(self) -> None:
        self._exchange.task = asyncio.current_task()
        self._watch.add(self._exchange)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        exchange = self._exchange
        self._watch.remove(exchange)
        exchange.deadline = exchange.since = NEVER
        if exchange.listener is not None:
            exchange.listener.cancel()
        if kind is not asyncio.CancelledError:
            return False
        if exchange.gone and exchange.task is not None:
            exchange.task.uncancel()
            return True
        return exchange.was_time_out()
