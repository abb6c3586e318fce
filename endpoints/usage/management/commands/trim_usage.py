"""Forget usage of long ago: for a nightly job. What counts everything so far stays."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from endpoints.services.stored_objects import trim_stored_objects
from endpoints.usage.retention import trim_usage
from endpoints.usage.time_ranges import LAST_DAYS
from gatewayproject.console.wording import counted

KEEP_DAYS = 400


class Command(BaseCommand):
    help = (
        "Delete hourly usage older than --keep-days, and forget which API key created the "
        "responses and files of that time. Totals are kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keep-days", type=int, default=KEEP_DAYS, metavar="N", help=f"Default: {KEEP_DAYS}."
        )
        parser.add_argument("--dry-run", action="store_true", help="Count only; delete nothing.")

    def handle(self, *, keep_days: int, dry_run: bool, **options: Any) -> None:
        least = LAST_DAYS.days + 1
        if not least <= keep_days <= 36_500:
            raise CommandError(f"--keep-days: enter {least}, which the pages need, to 36500.")
        count = trim_usage(keep_days=keep_days, dry_run=dry_run)
        did = "Would delete" if dry_run else "Deleted"
        rows = counted(count, "row")
        self.stdout.write(f"{did} {rows} of usage from more than {keep_days} days ago.")
        if count := trim_stored_objects(keep_days=keep_days, dry_run=dry_run):
            did = "Would forget" if dry_run else "Forgot"
            self.stdout.write(f"{did} which API key created {counted(count, 'object')}.")
