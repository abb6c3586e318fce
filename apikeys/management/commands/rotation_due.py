"""List the API keys that need new credentials. For cron: the exit status says whether any do."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.models import ApiKey
from apikeys.models.deadlines import NEED_ROTATION
from gatewayproject.console.command_output import print_table
from gatewayproject.console.wording import counted

COLUMNS = ("name", "provider", "environment", "status", "overdue_at", "expires_at", "last_updated")


class Command(BaseCommand):
    help = (
        "List the API keys that are expiring, expired, due, overdue or refused by the provider. "
        "Disabled keys are left out. Exit status: 0 if there are none, 1 if there are some."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print a JSON list.")

    def handle(self, **options: Any) -> None:
        rows = [
            {
                "name": api_key.name,
                "provider": api_key.provider.slug,
                "environment": api_key.environment,
                "status": ", ".join(s for s in api_key.statuses() if s in NEED_ROTATION),
                "overdue_at": _day(api_key.overdue_at),
                "expires_at": _day(api_key.expires_at),
                "last_updated": _day(api_key.credentials_changed_at),
            }
            for api_key in ApiKey.objects.needing_rotation()
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False))
        elif rows:
            print_table(self.stdout, COLUMNS, rows)
        else:
            self.stdout.write("No API key needs new credentials.")
        if rows:
            needing = counted(len(rows), "API key needs", "API keys need")
            raise CommandError(f"{needing} new credentials.", returncode=1)


def _day(moment: Any) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
