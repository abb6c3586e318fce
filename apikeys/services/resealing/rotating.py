"""The rotation itself. It can be ended at any moment, run again, and run twice at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import QuerySet

from apikeys.actors import Actor
from apikeys.sealing import Sealed, opens_with_primary, reseal

from . import history
from .columns import Change, SealedColumn, sealed_columns
from .erasing import erase_old_tokens
from .guard import Refused, problems_now
from .standing import current_standing

BATCH = 200  # rows: a write takes some 15 ms; with 500, edits on a busy machine wait twice as long
REST = 0.03  # seconds between two writes: who waits for SQLite's lock looks every 25 ms or so
TRIES, PAUSE = 100, 0.1  # sweeps in a row that move nothing, and seconds between them

Progress = Callable[[str, int, int], None]  # what is being done, rows done, rows in all


@dataclass
class Report:
    """What came of it."""

    moved: int = 0
    checked: int = 0
    unreadable: list[str] = field(default_factory=list)  # no master key opens them
    left: int = 0  # readable, and not re-sealed: somebody held on to them all the time
    erased: bool = True  # whether the old tokens have left SQLite's files
    overridden: list[str] = field(default_factory=list)  # what spoke against it

    @property
    def is_complete(self) -> bool:
        return not (self.unreadable or self.left)


def rotate_master_key(
    *, by: Actor, force: bool = False, batch_size: int = BATCH, progress: Progress | None = None
) -> Report:
    """Re-seal everything under the first of FERNET_KEYS, until all of it opens with that one alone.

    Raises ``Refused`` before the first write, and later too where a process comes up that could not
    read what is re-sealed. ``force`` goes on all the same, and the history says so.
    """
    problems = problems_now()
    if problems and not force:
        raise Refused("\n".join(problems))
    standing = current_standing()
    if standing.behind or problems:
        history.begun(standing, by=by, problems=problems)
    rotation = _Rotation(batch_size, progress, check=not force)
    report = rotation.run()
    report.overridden = problems
    if report.moved or problems:
        history.finished(standing.primary, report.moved, len(report.unreadable), by=by)
    report.erased = erase_old_tokens()
    return report


def survey(*, batch_size: int = BATCH, progress: Progress | None = None) -> Report:
    """Open every row with the primary alone, and write nothing.

    What is ``left`` needs another master key: a rotation would re-seal it.
    """
    rotation = _Rotation(batch_size, progress, check=False, write=False)
    rotation.report.left = rotation.open_everything()
    return rotation.report


class _Rotation:
    """One run through every sealed column."""

    def __init__(
        self, batch_size: int, progress: Progress | None, *, check: bool, write: bool = True
    ) -> None:
        self.batch_size, self.check, self.write = batch_size, check, write
        self.progress: Progress = progress or (lambda task, done, total: None)
        self.report = Report()

    def run(self) -> Report:
        for sweep in (self.reseal_what_is_behind, self.open_everything):
            self.repeat(sweep)
        return self.report

    def repeat(self, sweep: Callable[[], int]) -> None:
        """Sweep until nothing is found. A row that somebody edits meanwhile is found again."""
        idle = 0
        while idle < TRIES:
            before = self.report.moved
            self.report.left = sweep()
            if not self.report.left:
                return
            idle = idle + 1 if self.report.moved == before else 0
            time.sleep(PAUSE if idle else 0)

    def reseal_what_is_behind(self) -> int:
        return sum(
            self.sweep("Re-sealing", column, column.behind(), lambda sealed: False)
            for column in sealed_columns()
        )

    def open_everything(self) -> int:
        """Trust no column that tells a master key: open each row, and re-seal it where it fails."""
        self.report.unreadable, self.report.checked = [], 0
        return sum(
            self.sweep("Opening", column, column.rows(), opens_with_primary)
            for column in sealed_columns()
        )

    def sweep(
        self, task: str, column: SealedColumn, rows: QuerySet, is_done: Callable[[Sealed], bool]
    ) -> int:
        """Go through ``rows`` once; return how many were readable and had to be re-sealed."""
        found, seen, total = 0, 0, rows.count()
        for batch in column.batches(rows, self.batch_size):
            if self.check and (problems := problems_now()):
                raise Refused("\n".join(problems))
            stale = [(pk, sealed, reseal(sealed)) for pk, sealed in batch if not is_done(sealed)]
            self.report.unreadable += [column.name(pk) for pk, _, fresh in stale if fresh is None]
            changes = [change for change in stale if change[2] is not None]
            found += len(changes)
            if changes and self.write:
                self.swap(column, changes)
            self.report.checked += len(batch)
            seen += len(batch)
            self.progress(task, seen, max(seen, total))
        return found

    def swap(self, column: SealedColumn, changes: list[Change]) -> None:
        self.report.moved += column.swap(changes)
        if connection.vendor == "sqlite":  # PostgreSQL lets people wait in a queue
            time.sleep(REST)
