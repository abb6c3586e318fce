"""Destroy previous credentials that have been kept long enough. For cron."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.actors import Actor
from apikeys.models import ApiKey


class Command(BaseCommand):
    help = (
        "Destroy the previous credentials of every API key for which others have been in use for "
        "PREVIOUS_KEPT_DAYS. The exit status is 0 where all was done, and 3 where some were "
        "being changed by somebody: the next run sees to them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than-days", type=int, default=settings.PREVIOUS_KEPT_DAYS, metavar="DAYS"
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be destroyed.")

    def handle(self, *, older_than_days: int, dry_run: bool, **options: Any) -> None:
        if not 0 <= older_than_days <= 36525:
            raise CommandError("--older-than-days: give a number of days, 0 or more.")
        keys = list(ApiKey.objects.with_previous_older_than(older_than_days))
        left = [key for key in keys if not (dry_run or _destroy(key))]
        done = len(keys) - len(left)
        what = f"the previous credentials of {done} API key{'' if done == 1 else 's'}"
        self.stdout.write(f"{'Would destroy' if dry_run else 'Destroyed'} {what}.")
        if dry_run:
            self.stdout.writelines(f"  {key.name}" for key in keys)
        if left:
            names = ", ".join(key.name for key in left)
            raise CommandError(f"Changed at the same moment, and left: {names}.", returncode=3)


def _destroy(api_key: ApiKey) -> bool:
    try:
        services.destroy_previous(api_key, by=Actor.at_the_console(), rev=api_key.rev)
    except (services.Conflict, ValidationError):
        return False
    return True
