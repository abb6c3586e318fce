"""Re-seal everything under the first of FERNET_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.actors import Actor
from apikeys.management.ending import DONE_IN_PART, OLD_IN_THE_LOG, listed
from apikeys.management.forgetting import forget
from apikeys.management.progress import Progress
from apikeys.sealing import master_keys
from apikeys.services.resealing import (
    BATCH,
    Refused,
    Report,
    Standing,
    current_standing,
    next_step,
    nothing_to_do,
    problems_now,
    rotate_master_key,
    survey,
)

LARGEST_BATCH = 10_000  # rows: a transaction that holds everybody else up for half a second
UNSEEN = (
    "No running server was seen: if one serves all the same, look yourself whether it has these "
    "master keys, in this order."
)


class Command(BaseCommand):
    help = (
        "Re-seal everything under the first of FERNET_KEYS, while Gatehouse serves. It can be "
        "interrupted at any moment and run again. See docs/rotation.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done.")
        other = parser.add_mutually_exclusive_group()
        other.add_argument(
            "--verify",
            action="store_true",
            help="Only open everything with the first key alone: may the others be dropped?",
        )
        other.add_argument(
            "--forget-unreadable",
            action="store_true",
            help="Destroy what no master key opens, once its master key is lost for good.",
        )
        parser.add_argument(
            "--yes", action="store_true", help="Forget it without asking on the terminal."
        )
        parser.add_argument("--batch-size", type=int, default=BATCH, metavar="ROWS")
        parser.add_argument(
            "--force", action="store_true", help="Go on where it is refused. The history says so."
        )

    def handle(
        self, *, dry_run: bool, verify: bool, force: bool, batch_size: int, **options: Any
    ) -> None:
        if not 1 <= batch_size <= LARGEST_BATCH:
            raise CommandError(f"--batch-size takes a number from 1 to {LARGEST_BATCH:,}.")
        self.stdout.write(f"The first master key of FERNET_KEYS is {master_keys().primary}.")
        if not current_standing(counted=False).processes:
            self.stdout.write(UNSEEN)
        if options["forget_unreadable"]:
            forget(self.stdout, dry_run=dry_run, is_agreed=options["yes"])
            self._tell_next(current_standing())
            return
        how = {"batch_size": batch_size, "progress": Progress(self.stdout)}
        if dry_run or verify:
            self._refuse_unless(force)
            report = survey(**how)
            self._tell_survey(report, verify=verify)
        else:
            report = self._rotate(force=force, **how)
            self._tell(report)
        standing = current_standing()
        if report.is_complete and not report.moved and standing.unused and standing.total:
            raise CommandError(nothing_to_do(standing))
        self._tell_next(standing, is_verified=verify and report.is_complete)
        self._end(report, done=dry_run or not report.left)

    def _rotate(self, **how: Any) -> Report:
        try:
            return rotate_master_key(by=Actor.at_the_console(), **how)
        except Refused as refusal:
            raise CommandError(f"Refused. {refusal}") from None

    def _refuse_unless(self, force: bool) -> None:
        problems = problems_now()
        if problems and not force:
            raise CommandError("\n".join(["Refused.", *map(str, problems)]))

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

    def _tell_next(self, standing: Standing, *, is_verified: bool = False) -> None:
        self.stdout.write(f"Next: {next_step(standing, is_verified=is_verified)}")

    def _end(self, report: Report, *, done: bool) -> None:
        """Name what is broken, and answer scripts by the exit status."""
        problems = []
        if report.stopped:
            problems.append(f"Stopped after {report.moved:,} rows. Mend this, and run it again:")
            problems += map(str, report.stopped)
        if report.unreadable:
            problems.append(f"No master key opens {len(report.unreadable):,} rows:")
            problems += listed(report.unreadable)
        if not done:
            problems.append(f"{report.left:,} rows still need another master key.")
        if not report.erased:
            problems.append(f"{OLD_IN_THE_LOG} Run this again.")
        if problems:
            raise CommandError("\n".join(problems), returncode=DONE_IN_PART)
