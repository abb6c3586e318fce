"""Create a gateway token from a script or a terminal. Only the token itself goes to stdout."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from endpoints.models import Endpoint, GatewayToken
from endpoints.services import LONGEST_LIFETIME, check_token, create_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.console.command_output import error_lines

DAYS = 90


class Command(BaseCommand):
    help = (
        "Create a gateway token and print it once. Only the token goes to stdout, so "
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
            help="Can be repeated.",
        )
        reach.add_argument("--all-endpoints", action="store_true", help="Including future ones.")
        life = parser.add_mutually_exclusive_group()
        life.add_argument(
            "--expires-in-days", type=int, default=DAYS, metavar="N", help=f"Default: {DAYS}."
        )
        life.add_argument("--never-expires", action="store_true")
        parser.add_argument("--dry-run", action="store_true", help="Validate only; create nothing.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        days, names = options["expires_in_days"], options["endpoints"]
        possible = [name for name in names if name.isascii()]
        endpoints = list(Endpoint.objects.filter(name__in=possible))
        known = {endpoint.name for endpoint in endpoints}
        for name in names:
            if name not in known:
                raise CommandError(f"--endpoint: there is no endpoint called {ascii(name)[:65]}.")
        if not options["never_expires"] and not 0 < days <= LONGEST_LIFETIME.days:
            raise CommandError(
                f"--expires-in-days: enter 1 to {LONGEST_LIFETIME.days}, or use --never-expires."
            )
        token = GatewayToken(
            name=options["name"],
            all_endpoints=options["all_endpoints"],
            expires_at=None if options["never_expires"] else timezone.now() + timedelta(days=days),
        )
        try:
            if dry_run:
                check_token(token, endpoints)
                self.stderr.write(f"Would create {token.name}.", self.style.SUCCESS)
            else:
                self.stdout.write(create_token(token, endpoints, by=Actor.at_the_console()))
                created = f"Created {token.name}. You will not be able to see it again."
                self.stderr.write(created, self.style.SUCCESS)
        except ValidationError as error:
            raise CommandError(error_lines(error)) from None
