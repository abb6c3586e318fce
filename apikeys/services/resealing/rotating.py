"""The rotation itself. It can be ended at any moment, run again, and run twice at once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet

from apikeys.actors import Actor
from apikeys.sealing import Sealed, opens_with_primary, reseal
from apikeys.services.erasing import finish_erasing

from . import history
from .columns import SealedColumn, sealed_columns
from .guard import Problem, Refused, Watch
from .standing import current_standing

BATCH = 200  # rows: a write takes some 15 ms; with 500, edits on a busy machine wait twice as long
# Seconds between two batches, for everybody else: who waits for SQLite's lock looks every 25 ms or
# so, and on a small machine the same cores serve the pages.
REST = 0.03
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
    overridden: Sequence[Problem] = ()  # what spoke against it
    stopped: Sequence[Problem] = ()  # what came up on the way, and ended it

    @property
    def is_complete(self) -> bool:
        return not (self.unreadable or self.left or self.stopped)


def rotate_master_key(
    *, by: Actor, force: bool = False, batch_size: int = BATCH, progress: Progress | None = None
) -> Report:
    """Re-seal everything under the first of FERNET_KEYS, until all of it opens with that one alone.

    Raises ``Refused`` before the first write. Where a process that could not read what is re-sealed
    comes up later, the rotation has ``stopped``. ``force`` goes on all the same, and the history
    says so.
    """
    watch = Watch(by=by, force=force)
    watch.look()
    standing = current_standing()
    if standing.behind or watch.overridden:
        history.begun(standing, by=by)
    rotation = _Rotation(batch_size, progress, look=watch.look)
    report = rotation.report
    try:
        rotation.run()
    except Refused as refusal:
        short = [problem.short for problem in refusal.problems]
        history.stopped(standing.primary, report.moved, short, by=by)
        if not report.moved:
            raise
        report.stopped = refusal.problems
    else:
        if report.moved or watch.overridden:
            history.finished(standing.primary, report.moved, len(report.unreadable), by=by)
    report.overridden = watch.overridden
    report.erased = finish_erasing()
    return report


def survey(*, batch_size: int = BATCH, progress: Progress | None = None) -> Report:
    """Open every row with the primary alone, and write nothing.

    What is ``left`` needs another master key: a rotation would re-seal it.
    """
    rotation = _Rotation(batch_size, progress, write=False)
    rotation.report.left = rotation.open_everything()
    return rotation.report


class _Rotation:
    """One run through every sealed column."""

    def __init__(
        self,
        batch_size: int,
        progress: Progress | None,
        *,
        look: Callable[[], None] = lambda: None,  # before each batch
        write: bool = True,
    ) -> None:
        self.batch_size, self.look, self.write = batch_size, look, write
        self.progress: Progress = progress or (lambda task, done, total: None)
        self.report = Report()

    def run(self) -> None:
        for sweep in (self.reseal_what_is_behind, self.open_everything):
            self.repeat(sweep)

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
            self.look()
            stale = [(pk, sealed, reseal(sealed)) for pk, sealed in batch if not is_done(sealed)]
            self.report.unreadable += [column.name(pk) for pk, _, fresh in stale if fresh is None]
            changes = [change for change in stale if change[2] is not None]
            found += len(changes)
            if changes and self.write:
                self.report.moved += column.swap(changes)
            time.sleep(REST if self.write else 0)
            self.report.checked += len(batch)
            seen += len(batch)
            self.progress(task, seen, max(seen, total))
        return found
