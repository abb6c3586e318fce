"""List API keys. Nothing is opened."""

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import blast_radius
from apikeys.models import ApiKey, Environment, Provider
from apikeys.models.api_key_queries import ApiKeyQuerySet
from apikeys.models.deadlines import Status
from gatewayproject.console.command_output import print_table

BATCH = 500
MAX_DAYS = 36_500
COLUMNS = (
    *("name", "provider", "scheme", "environment", "team", "hint", "status", "endpoints"),
    *("expires", "last_used", "last_updated", "created_by", "readable"),
)


class Command(BaseCommand):
    help = (
        "List the API keys: how many endpoints use each, when it expires, when it was last used, "
        "and whether a master key decrypts it. Filters can be combined."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print a JSON list.")
        parser.add_argument(
            "--search",
            default="",
            metavar="TEXT",
            help="Only keys with TEXT in name, hint, team, description or provider.",
        )
        parser.add_argument("--provider", help="Only keys of this provider, such as openai.")
        parser.add_argument("--environment", choices=Environment.values)
        parser.add_argument("--team", help="Only keys of this team.")
        parser.add_argument("--status", choices=Status.values)
        parser.add_argument(
            "--expires-in", type=_days, metavar="DAYS", help="Only keys that expire within DAYS."
        )
        parser.add_argument(
            "--unused-for", type=_days, metavar="DAYS", help="Only keys without a request for DAYS."
        )

    def handle(self, **options: Any) -> None:
        ids = list(_chosen(options).sorted_by("name").values_list("pk", flat=True))
        rows = []
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            counts = blast_radius.registry().counts(batch)
            for api_key in ApiKey.objects.with_details().filter(pk__in=batch).sorted_by("name"):
                rows.append(_row(api_key, endpoints=counts.get(api_key.pk, 0)))
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False))
        elif rows:
            print_table(self.stdout, COLUMNS, rows)
        elif ApiKey.objects.exists():
            self.stdout.write("No matching API keys.")
        else:
            self.stdout.write("There are no API keys yet.")


def _days(text: str) -> int:
    days = int(text)
    if not 0 < days <= MAX_DAYS:
        raise ValueError(text)
    return days


def _chosen(options: dict[str, Any]) -> ApiKeyQuerySet:
    keys = ApiKey.objects.search(options["search"]).in_status(options["status"] or "")
    if (slug := options["provider"]) is not None:
        if not Provider.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no provider called {slug}.")
        keys = keys.filter(scheme__provider__slug=slug)
    for name in ("environment", "team"):
        if options[name] is not None:
            keys = keys.filter(**{name: options[name]})
    if (days := options["expires_in"]) is not None:
        keys = keys.expiring_within(days)
    if (days := options["unused_for"]) is not None:
        keys = keys.unused_for(days)
    return keys


def _row(api_key: ApiKey, *, endpoints: int) -> dict[str, Any]:
    return {
        "name": api_key.name,
        "provider": api_key.provider.slug,
        "scheme": api_key.scheme.slug,
        "environment": api_key.environment,
        "team": api_key.team,
        "hint": api_key.current.hint if api_key.current else "",
        "status": ", ".join(api_key.statuses()),
        "endpoints": endpoints,
        "expires": _exact(api_key.expires_at),
        "last_used": _exact(api_key.last_used_at),
        "last_updated": _exact(api_key.credentials_changed_at),
        "created": _exact(api_key.created_at),
        "created_by": api_key.created_by,
        "readable": api_key.is_readable(),
    }


def _exact(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
