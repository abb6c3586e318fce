"""Destroy previous credentials that have been kept long enough. For cron."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.actors import Actor
from apikeys.management.ending import DONE_IN_PART, STILL_IN_THE_FILES
from apikeys.models import ApiKey

LONGEST = 36525  # days


class Command(BaseCommand):
    help = (
        "Destroy the previous credentials of every API key for which others have been in use for "
        "PREVIOUS_KEPT_DAYS and, where that is asked for, pending ones that nobody promoted. The "
        "exit status is 0 where all was done, and 3 where some were being changed by somebody, or "
        "are still in SQLite’s files: the next run sees to them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than-days", type=int, default=settings.PREVIOUS_KEPT_DAYS, metavar="DAYS"
        )
        parser.add_argument(
            "--pending-older-than-days",
            type=int,
            metavar="DAYS",
            help="Discard pending credentials too that were staged so long ago. Default: none.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be destroyed.")

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
        problems = [f"Changed at the same moment, and left: {', '.join(left)}."] if left else []
        if not (dry_run or services.finish_erasing()):
            problems.append(STILL_IN_THE_FILES)
        if problems:
            raise CommandError("\n".join(problems), returncode=DONE_IN_PART)

    def _drop(self, slot: str, keys: Any, service: Callable[..., None]) -> list[str]:
        """Destroy one version of each of ``keys``; return the names of those that moved on."""
        keys = list(keys)
        left = [key.name for key in keys if not (self.dry_run or _is_done(service, key))]
        count = len(keys) - len(left)
        what = f"the {slot} credentials of {count} API key{'' if count == 1 else 's'}"
        self.stdout.write(f"{'Would destroy' if self.dry_run else 'Destroyed'} {what}.")
        for key in keys if self.dry_run else []:
            self.stdout.write(f"  {key.name}")
        return left


def _check_days(option: str, days: int) -> None:
    if not 0 <= days <= LONGEST:
        raise CommandError(f"{option}: give a number of days, 0 or more.")


def _is_done(service: Callable[..., None], api_key: ApiKey) -> bool:
    try:
        service(api_key, by=Actor.at_the_console(), rev=api_key.rev)
    except (services.Conflict, ValidationError):
        return False
    return True
