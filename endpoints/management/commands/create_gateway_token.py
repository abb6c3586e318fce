"""Create a gateway token from a script or a terminal. Only the token itself goes to stdout."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.management.reading import told
from endpoints.models import Endpoint, GatewayToken
from endpoints.services import LONGEST_LIFETIME, check_token, create_token

DAYS = 90


class Command(BaseCommand):
    help = (
        "Create a gateway token and print it, for the only time. Only the token goes to stdout, so "
        "it can be piped: manage.py create_gateway_token NAME --endpoint E | vault …"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        reach = parser.add_mutually_exclusive_group(required=True)
        reach.add_argument(
            "--endpoint",
            action="append",
            default=[],
            metavar="NAME",
            dest="endpoints",
            help="May be given several times.",
        )
        reach.add_argument("--all-endpoints", action="store_true", help="Also later ones.")
        life = parser.add_mutually_exclusive_group()
        life.add_argument(
            "--expires-in-days", type=int, default=DAYS, metavar="N", help=f"Default: {DAYS}."
        )
        life.add_argument("--never-expires", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="Check, and create nothing.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        endpoints = _endpoints(options["endpoints"])
        token = GatewayToken(
            name=options["name"],
            all_endpoints=options["all_endpoints"],
            expires_at=None if options["never_expires"] else _after(options["expires_in_days"]),
        )
        try:
            if dry_run:
                check_token(token, endpoints)
                self.stderr.write(f"Would create {token.name}.", self.style.SUCCESS)
            else:
                self.stdout.write(create_token(token, endpoints, by=Actor.at_the_console()))
                created = f"Created {token.name}. It is not shown again."
                self.stderr.write(created, self.style.SUCCESS)
        except ValidationError as error:
            raise CommandError(told(error)) from None


def _endpoints(names: list[str]) -> list[Endpoint]:
    possible = [name for name in names if name.isascii()]
    found = {row.name: row for row in Endpoint.objects.filter(name__in=possible)}
    for name in names:
        if name not in found:
            raise CommandError(f"--endpoint: there is no endpoint called {ascii(name)[:65]}.")
    return list(found.values())


def _after(days: int) -> datetime:
    if not 0 < days <= LONGEST_LIFETIME.days:
        raise CommandError(
            f"--expires-in-days: from 1 to {LONGEST_LIFETIME.days}, or --never-expires."
        )
    return timezone.now() + timedelta(days=days)
