"""The rotation of the master key. It can be interrupted, repeated and run twice concurrently."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from apikeys.sealing import Sealed, opens_with_primary, reseal
from apikeys.services.sqlite_wal import finish_erasing
from gatewayproject.accounts.actors import Actor

from . import audit
from .preflight import Objection, Preflight, RotationRefused
from .sealed_columns import SealedColumn, sealed_columns
from .state import current_state

BATCH = 200  # rows: a write takes some 15 ms; with 500, edits on a busy machine wait twice as long
# Seconds between two batches. Other writers poll SQLite's lock about every 25 ms, and on a small
# machine the same cores serve the pages.
REST = 0.03
MAX_IDLE_SWEEPS = 100  # in a row that move nothing
IDLE_DELAY = 0.1  # seconds

Progress = Callable[[str, int, int], None]  # what is being done, rows done, rows in all


@dataclass
class Report:
    """The result of a rotation."""

    moved: int = 0
    checked: int = 0
    unreadable: list[str] = field(default_factory=list)  # no master key decrypts them
    left: int = 0  # readable but not re-encrypted, because they were locked all the time
    erased: bool = True  # whether the old tokens have left SQLite's files
    overridden: Sequence[Objection] = ()  # reasons not to rotate
    stopped: Sequence[Objection] = ()  # reasons that ended it early

    @property
    def is_complete(self) -> bool:
        return not (self.unreadable or self.left or self.stopped)


def rotate_master_key(
    *, by: Actor, force: bool = False, batch_size: int = BATCH, progress: Progress | None = None
) -> Report:
    """Re-encrypt everything with the first of FERNET_KEYS, until that key alone decrypts all of it.

    Raises ``RotationRefused`` before the first write. If a process appears later that could not
    read the result, the rotation has ``stopped``. ``force`` continues anyway, which is recorded.
    """
    preflight = Preflight(by=by, force=force)
    preflight.look()
    state = current_state()
    if state.behind or preflight.overridden:
        audit.begun(state, by=by)
    rotation = _Rotation(batch_size, progress, look=preflight.look)
    report = rotation.report
    try:
        rotation.run()
    except RotationRefused as refusal:
        short = [problem.short for problem in refusal.problems]
        audit.stopped(state.primary, report.moved, short, by=by)
        if not report.moved:
            raise
        report.stopped = refusal.problems
    else:
        if report.moved or preflight.overridden:
            audit.finished(state.primary, report.moved, len(report.unreadable), by=by)
    report.overridden = preflight.overridden
    report.erased = finish_erasing()
    return report


def survey(*, batch_size: int = BATCH, progress: Progress | None = None) -> Report:
    """Decrypt every row with the primary alone, and write nothing.

    Rows that are ``left`` need another master key: a rotation would re-encrypt them.
    """
    rotation = _Rotation(batch_size, progress, write=False)
    rotation.report.left = rotation.open_everything()
    return rotation.report


class _Rotation:
    """One run through every encrypted column."""

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
        """Sweep until nothing is found. Rows that are edited concurrently are found again."""
        idle = 0
        while idle < MAX_IDLE_SWEEPS:
            before = self.report.moved
            self.report.left = sweep()
            if not self.report.left:
                return
            idle = idle + 1 if self.report.moved == before else 0
            time.sleep(IDLE_DELAY if idle else 0)

    def reseal_what_is_behind(self) -> int:
        return sum(
            self.sweep("Re-sealing", column, column.behind(), lambda sealed: False)
            for column in sealed_columns()
        )

    def open_everything(self) -> int:
        """Do not trust recorded master keys: decrypt each row, and re-encrypt it if that fails."""
        self.report.unreadable, self.report.checked = [], 0
        return sum(
            self.sweep("Opening", column, column.rows(), opens_with_primary)
            for column in sealed_columns()
        )

    def sweep(
        self,
        task: str,
        column: SealedColumn,
        rows: QuerySet[Any],
        is_done: Callable[[Sealed], bool],
    ) -> int:
        """Go through ``rows`` once; return how many were readable and had to be re-encrypted."""
        found, seen, total = 0, 0, rows.count()
        for batch in column.batches(rows, self.batch_size):
            self.look()
            stale = [(pk, sealed, reseal(sealed)) for pk, sealed in batch if not is_done(sealed)]
            self.report.unreadable += [column.name(pk) for pk, _, fresh in stale if fresh is None]
            changes = [(pk, old, fresh) for pk, old, fresh in stale if fresh is not None]
            found += len(changes)
            if changes and self.write:
                self.report.moved += column.swap(changes)
            time.sleep(REST if self.write else 0)
            self.report.checked += len(batch)
            seen += len(batch)
            self.progress(task, seen, max(seen, total))
        return found
