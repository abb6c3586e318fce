"""Prepare and serve on this machine (``make run``)."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from gatewayproject import trial
from gatewayproject.server import local_server

from .prepare import prepare

PUBLIC = (
    "Warning: this is a trial, and other machines can reach it over unencrypted http. "
    "See “In production” in README.md. Pages open only under this machine's host names in "
    "ALLOWED_HOSTS."
)

LOST_PASSWORD = "If you lost your password, run: .venv/bin/python manage.py changepassword NAME"


class Command(BaseCommand):
    help = "Prepare the database and serve with one process. `make run`."

    def add_arguments(self, parser: CommandParser) -> None:
        local_server.add_arguments(parser)
        parser.add_argument(
            "--trial",
            action="store_true",
            help="Mark this installation as a trial, so that commands need no settings.",
        )

    def handle(self, *, host: str, port: str, **options: Any) -> None:
        listener = local_server.listen(host, port, target="run")
        if options["trial"] and settings.TRIAL:
            trial.begin(settings.DATA_DIR)
        account = prepare(self)
        if settings.TRIAL and local_server.is_public(listener):
            self.stderr.write(PUBLIC)
        lines = ["Ctrl-C stops Gatehouse.", f"\nOpen {local_server.url_of(listener)}"]
        if account.password:
            lines[0] += " The password is shown only once; change it in your account menu."
            lines[1] += f" and sign in as {account.name} with the password {account.password}"
        else:
            lines[0] += f" {LOST_PASSWORD}"

        def welcome() -> None:
            while lines:
                self.stdout.write(lines.pop(0))
            self.stdout.flush()

        try:
            local_server.serve(listener, ready=welcome)
        finally:
            if lines and account.password:  # it ended before it served, but the account exists
                self.stdout.write(f"The password of {account.name}: {account.password}")
