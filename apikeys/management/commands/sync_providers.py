"""Bring the built-in providers into the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from apikeys.services import sync_providers


class Command(BaseCommand):
    help = "Update the built-in providers from the catalog. Your own providers do not change."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Report what would change; change nothing."
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        with transaction.atomic():
            report = sync_providers()
            transaction.set_rollback(dry_run)
        self.stdout.write(
            f"{'Would create' if dry_run else 'Created'} {report.created} and "
            f"{'would update' if dry_run else 'updated'} {report.updated} providers and methods; "
            f"{report.unchanged} up to date."
        )
