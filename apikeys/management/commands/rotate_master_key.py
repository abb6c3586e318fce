"""Re-encrypt everything with the first of FERNET_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.management.unreadable_rows import forget
from apikeys.sealing import master_keys
from apikeys.services.master_key_rotation import (
    BATCH,
    Report,
    RotationRefused,
    current_state,
    next_step,
    nothing_to_do,
    problems_now,
    rotate_master_key,
    survey,
)
from apikeys.services.sqlite_wal import OLD_IN_THE_LOG
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.command_output import DONE_IN_PART, Progress, listed
from gatewayproject.console.wording import counted

LARGEST_BATCH = 10_000  # rows: a transaction that blocks other writers for half a second
UNSEEN = (
    "No running server was found. If one is running, make sure that it has these master keys, in "
    "this order."
)


class Command(BaseCommand):
    help = (
        "Re-encrypt everything with the first of FERNET_KEYS while Gatehouse serves requests. You "
        "can interrupt it at any time and run it again. See docs/rotation.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Report what would be done; change nothing."
        )
        other = parser.add_mutually_exclusive_group()
        other.add_argument(
            "--verify",
            action="store_true",
            help="Check that the first key alone decrypts everything; change nothing.",
        )
        other.add_argument(
            "--forget-unreadable",
            action="store_true",
            help="Destroy rows that no master key decrypts, if their key is lost for good.",
        )
        parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")
        parser.add_argument("--batch-size", type=int, default=BATCH, metavar="ROWS")
        parser.add_argument(
            "--force",
            action="store_true",
            help="Continue despite a refusal. The history records it.",
        )

    def handle(
        self, *, dry_run: bool, verify: bool, force: bool, batch_size: int, **options: Any
    ) -> None:
        if not 1 <= batch_size <= LARGEST_BATCH:
            raise CommandError(f"--batch-size takes a number from 1 to {LARGEST_BATCH:,}.")
        self.stdout.write(f"The first master key of FERNET_KEYS is {master_keys().primary}.")
        if not current_state(counted=False).processes:
            self.stdout.write(UNSEEN)
        if options["forget_unreadable"]:
            forget(self.stdout, dry_run=dry_run, is_agreed=options["yes"])
            self.stdout.write(f"Next: {next_step(current_state())}")
            return
        progress = Progress(self.stdout)
        if dry_run or verify:
            if (problems := problems_now()) and not force:
                raise CommandError("\n".join(["Refused.", *map(str, problems)]))
            report = survey(batch_size=batch_size, progress=progress)
            if not verify:
                rows = counted(report.checked, "row")
                self.stdout.write(f"Would re-encrypt {report.left:,} of {rows}.")
        else:
            try:
                report = rotate_master_key(
                    by=Actor.at_the_console(), force=force, batch_size=batch_size, progress=progress
                )
            except RotationRefused as refusal:
                raise CommandError(f"Refused. {refusal}") from None
            for problem in report.overridden:
                self.stderr.write(f"Forced, although: {problem}")
            self.stdout.write(f"Re-encrypted {counted(report.moved, 'row')}.")
        if report.is_complete and (verify or not dry_run):
            rows = counted(report.checked, "row is", "rows are")
            which = "The" if report.checked == 1 else "All"
            self.stdout.write(f"{which} {rows} readable with it alone.")
        state = current_state()
        if report.is_complete and not report.moved and state.unused and state.total:
            raise CommandError(nothing_to_do(state))
        is_verified = verify and report.is_complete
        self.stdout.write(f"Next: {next_step(state, is_verified=is_verified)}")
        self._end(report, done=dry_run or not report.left)

    def _end(self, report: Report, *, done: bool) -> None:
        """Report what failed, with an exit status for scripts."""
        problems = []
        if report.stopped:
            problems.append(
                f"Stopped after {counted(report.moved, 'row')}. Fix this and run the command again:"
            )
            problems += map(str, report.stopped)
        if report.unreadable:
            problems.append(f"No master key decrypts {counted(len(report.unreadable), 'row')}:")
            problems += listed(report.unreadable)
        if not done:
            rows = counted(report.left, "row still needs", "rows still need")
            problems.append(f"{rows} another master key.")
        if not report.erased:
            problems.append(f"{OLD_IN_THE_LOG} Run this command again.")
        if problems:
            raise CommandError("\n".join(problems), returncode=DONE_IN_PART)
