"""A person in a process of its own, seen from where the orders come from."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

processes = get_context("fork")


class Colleague:
    """Works until stopped."""

    def __init__(self, name: str, keys: int, journal: Path) -> None:
        from django.db import connections

        connections.close_all()
        self.orders, theirs = processes.Pipe()
        self.process = processes.Process(
            target=_live, args=(name, keys, journal, theirs), daemon=True
        )
        self.process.start()

    def has_settled_in(self) -> None:
        self.orders.recv()

    def use(self, keys: list[str]) -> None:
        """Return when no act under other keys is under way any more."""
        self.orders.send(keys)
        self.orders.recv()

    def stop(self) -> Any:
        self.orders.send(None)
        report = self.orders.recv()
        self.process.join()
        return report


def _live(name: str, keys: int, journal: Path, orders: Any) -> None:
    from .people import Person

    person = Person(name, keys, journal)
    orders.send("here")
    person.work(orders)
