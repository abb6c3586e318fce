"""Prepare the database."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from apikeys.services import sync_providers
from apikeys.system_checks import check_master_keys
from gatewayproject import first_run


class Command(BaseCommand):
    help = "Bring the database up to date and make the first account. Can be run again at any time."

    def handle(self, **options: Any) -> None:
        try:
            with first_run.one_at_a_time():
                done = self.prepare()
                name, password = first_run.create_first_account()
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database cannot be used: {error}".strip()) from None
        if name:
            done.append(f"Created the account {name}.")
        self.stdout.write(f"{' '.join(done) or 'Everything is up to date.'}")
        for problem in check_master_keys(["default"]):  # serving goes on: it says so and no more
            self.stderr.write(f"{problem.msg} {problem.hint}")
        self.stdout.write(f"Data directory: {settings.DATA_DIR}")
        for kind in ("secret_key", "master_key"):
            if (path := settings.DATA_DIR / kind).exists() and settings.DEBUG:
                self.stdout.write(f"{kind.replace('_', ' ').capitalize()} file: {path}")
        if password:
            self.stdout.write(f"\n    Sign in as {name} with the password {password}\n")
            self.stdout.write("It is shown this once. Your account's menu has Change password.\n\n")

    def prepare(self) -> list[str]:
        """Do what is missing and return a sentence for each thing that was done."""
        done = []
        if migrations := first_run.migrate():
            done.append(f"Applied {migrations} migrations.")
        else:
            report = sync_providers()
            if changed := report.created + report.updated:
                done.append(f"Brought {changed} providers and methods up to date.")
        first_run.collect_static_files()
        return done
