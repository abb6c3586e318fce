"""Bring the built-in providers into the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from apikeys.services import sync_providers


class Command(BaseCommand):
    help = "Make the built-in providers what the catalogue says. Own providers stay as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would change.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        with transaction.atomic():
            report = sync_providers()
            transaction.set_rollback(dry_run)
        self.stdout.write(
            f"{'Would create' if dry_run else 'Created'} {report.created} and "
            f"{'would update' if dry_run else 'updated'} {report.updated} providers and methods; "
            f"{report.unchanged} are as they should be."
        )
