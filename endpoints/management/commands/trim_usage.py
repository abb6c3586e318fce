"""Forget usage of long ago: for a nightly job. What counts everything so far stays."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from endpoints.services.usage_spans import DAYS
from endpoints.services.usage_trimming import trim_usage

KEEP_DAYS = 400


class Command(BaseCommand):
    help = "Delete usage by the hour that is older than so many days. Totals are kept for ever."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keep-days", type=int, default=KEEP_DAYS, metavar="N", help=f"Default: {KEEP_DAYS}."
        )
        parser.add_argument("--dry-run", action="store_true", help="Count, and delete nothing.")

    def handle(self, *, keep_days: int, dry_run: bool, **options: Any) -> None:
        if not DAYS < keep_days <= 36_500:
            raise CommandError(f"--keep-days: from {DAYS + 1}, which the pages show, to 36500.")
        count = trim_usage(keep_days=keep_days, dry_run=dry_run)
        did = "Would delete" if dry_run else "Deleted"
        rows = "row" if count == 1 else "rows"
        self.stdout.write(f"{did} {count:,} {rows} of usage from more than {keep_days} days ago.")
