"""Re-seal everything under the first of FERNET_KEYS."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from apikeys.actors import Actor
from apikeys.sealing import master_keys
from apikeys.services.resealing import (
    BATCH,
    Refused,
    Report,
    current_standing,
    next_step,
    problems_now,
    rotate_master_key,
    survey,
)

NAMED = 100  # rows; the number of the rest is told
BAR = 30  # characters
LINE_EVERY = 5  # seconds, where the output is no terminal
DONE_IN_PART = 3


class Command(BaseCommand):
    help = (
        "Re-seal everything under the first of FERNET_KEYS, while Gatehouse serves. It can be "
        "interrupted at any moment and run again. See docs/rotation.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would be re-sealed.")
        parser.add_argument(
            "--verify",
            action="store_true",
            help="Only open everything with the first key alone: may the others be dropped?",
        )
        parser.add_argument("--batch-size", type=int, default=BATCH, metavar="ROWS")
        parser.add_argument(
            "--force", action="store_true", help="Go on where it is refused. The history says so."
        )

    def handle(
        self, *, dry_run: bool, verify: bool, force: bool, batch_size: int, **options: Any
    ) -> None:
        if batch_size < 1:
            raise CommandError("--batch-size takes a number from 1.")
        how = {"batch_size": batch_size, "progress": Progress(self.stdout)}
        self.stdout.write(f"The first master key of FERNET_KEYS is {master_keys().primary}.")
        if dry_run or verify:
            self._refuse_unless(force)
            report = survey(**how)
            self._tell_survey(report, verify=verify)
        else:
            report = self._rotate(force=force, **how)
            self._tell(report)
        self.stdout.write(f"Next: {next_step(current_standing())}")
        self._end(report, done=dry_run or not report.left)

    def _rotate(self, **how: Any) -> Report:
        try:
            return rotate_master_key(by=Actor.at_the_console(), **how)
        except Refused as refusal:
            raise CommandError(f"Refused. {refusal}") from None

    def _refuse_unless(self, force: bool) -> None:
        problems = problems_now()
        if problems and not force:
            raise CommandError("\n".join(["Refused.", *problems]))

    def _tell_survey(self, report: Report, *, verify: bool) -> None:
        rows = f"{report.checked:,} rows"
        if not verify:
            self.stdout.write(f"Would re-seal {report.left:,} of {rows}.")
        elif report.is_complete:
            self.stdout.write(f"All {rows} open with it alone.")

    def _tell(self, report: Report) -> None:
        for problem in report.overridden:
            self.stderr.write(f"Forced, although: {problem}")
        self.stdout.write(f"Re-sealed {report.moved:,} rows.")
        if report.is_complete:
            self.stdout.write(f"All {report.checked:,} rows open with it alone.")

    def _end(self, report: Report, *, done: bool) -> None:
        """Name what is broken, and answer scripts by the exit status."""
        problems = []
        if report.unreadable:
            more = len(report.unreadable) - NAMED
            problems.append(f"No master key opens {len(report.unreadable):,} rows:")
            problems += report.unreadable[:NAMED]
            problems += [f"and {more:,} more"] if more > 0 else []
        if not done:
            problems.append(f"{report.left:,} rows still need another master key.")
        if not report.erased:
            problems.append("SQLite’s write-ahead log still holds old tokens, as somebody reads it")
            problems.append("all the time. Run this again.")
        if problems:
            raise CommandError("\n".join(problems), returncode=DONE_IN_PART)


class Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, out: OutputWrapper) -> None:
        self.out, self.last = out, time.monotonic()

    def __call__(self, task: str, done: int, total: int) -> None:
        text = f"{task}: {done:,} of {total:,} rows"
        if self.out.isatty():
            filled = BAR * done // total
            bar = "█" * filled + "░" * (BAR - filled)
            self.out.write(f"\r{bar} {text}", ending="\n" if done == total else "")
            self.out.flush()
        elif time.monotonic() - self.last > LINE_EVERY:
            self.last = time.monotonic()
            self.out.write(text)
