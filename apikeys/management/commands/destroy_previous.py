"""Destroy previous credentials that have been kept long enough. For cron."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.models import ApiKey
from apikeys.services.sqlite_wal import STILL_IN_THE_FILES, finish_erasing
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.command_output import DONE_IN_PART
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.wording import counted

LONGEST = 36525  # days


class Command(BaseCommand):
    help = (
        "Destroy previous credentials that were replaced at least PREVIOUS_KEPT_DAYS ago and, with "
        "--pending-older-than-days, old pending ones. Exit status: 0 done, 3 partly done, because "
        "some keys changed at the same time or old bytes are still in SQLite’s files. The next run "
        "tries again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than-days", type=int, default=settings.PREVIOUS_KEPT_DAYS, metavar="DAYS"
        )
        parser.add_argument(
            "--pending-older-than-days",
            type=int,
            metavar="DAYS",
            help="Also discard pending credentials staged at least this long ago. Default: none.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="List what would be destroyed; change nothing."
        )

    def handle(
        self,
        *,
        older_than_days: int,
        pending_older_than_days: int | None,
        dry_run: bool,
        **options: Any,
    ) -> None:
        _check_days("--older-than-days", older_than_days)
        _check_days("--pending-older-than-days", pending_older_than_days or 0)
        self.dry_run = dry_run
        keys = ApiKey.objects.with_previous_older_than(older_than_days)
        left = self._drop("previous", keys, services.destroy_previous)
        if pending_older_than_days is not None:
            keys = ApiKey.objects.with_pending_older_than(pending_older_than_days)
            left += self._drop("pending", keys, services.discard_pending)
        problems = (
            [f"Skipped, because they changed at the same time: {', '.join(left)}."] if left else []
        )
        if not (dry_run or finish_erasing()):
            problems.append(STILL_IN_THE_FILES)
        if problems:
            raise CommandError("\n".join(problems), returncode=DONE_IN_PART)

    def _drop(self, slot: str, keys: Any, service: Callable[..., None]) -> list[str]:
        """Destroy one version of each of ``keys``; return the names of those that moved on."""
        keys = list(keys)
        left = []
        for key in [] if self.dry_run else keys:
            try:
                service(key, by=Actor.at_the_console(), rev=key.rev)
            except (Conflict, ValidationError):
                left.append(key.name)
        count = len(keys) - len(left)
        what = f"the {slot} credentials of {counted(count, 'API key')}"
        self.stdout.write(f"{'Would destroy' if self.dry_run else 'Destroyed'} {what}.")
        for key in keys if self.dry_run else []:
            self.stdout.write(f"  {key.name}")
        return left


def _check_days(option: str, days: int) -> None:
    if not 0 <= days <= LONGEST:
        raise CommandError(f"{option}: enter a number of days, 0 or more.")
