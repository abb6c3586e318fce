"""List API keys. Nothing is opened."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apikeys import dependents
from apikeys.management.tables import print_table
from apikeys.models import ApiKey

BATCH = 500
COLUMNS = ("name", "provider", "scheme", "environment", "endpoints", "last_updated", "readable")


class Command(BaseCommand):
    help = "List the API keys, their endpoints and whether a master key recognises each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print a JSON list.")

    def handle(self, **options: Any) -> None:
        rows = list(_rows())
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False))
        elif rows:
            print_table(self.stdout, COLUMNS, rows)
        else:
            self.stdout.write("There are no API keys yet.")


def _rows() -> Iterator[dict[str, Any]]:
    ids = list(ApiKey.objects.sorted_by("name").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        counts = dependents.registry().counts(batch)
        for api_key in ApiKey.objects.with_details().filter(pk__in=batch).sorted_by("name"):
            yield _row(api_key, endpoints=counts.get(api_key.pk, 0))


def _row(api_key: ApiKey, *, endpoints: int) -> dict[str, Any]:
    return {
        "name": api_key.name,
        "provider": api_key.provider.slug,
        "scheme": api_key.scheme.slug,
        "environment": api_key.environment,
        "endpoints": endpoints,
        "last_updated": api_key.credentials_changed_at.isoformat(timespec="seconds"),
        "readable": api_key.is_readable(),
    }
