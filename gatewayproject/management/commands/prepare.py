"""Prepare the database."""

from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand

from apikeys.checks import check_master_keys
from apikeys.services import sync_providers
from gatewayproject import first_run, trial
from gatewayproject.console.wording import counted


class FirstAccount(NamedTuple):
    """The account that was created, if any, and the password if it was generated."""

    name: str
    password: str


class Command(BaseCommand):
    help = "Update the database and create the first account. You can run it again at any time."

    def handle(self, **options: Any) -> None:
        account = prepare(self)
        if account.password:
            self.stdout.write(
                f"\n    Sign in as {account.name} with the password {account.password}\n"
            )
            self.stdout.write(
                "You will not be able to see it again. To change it, use Change password in your "
                "account menu.\n\n"
            )


def prepare(command: BaseCommand) -> FirstAccount:
    """Prepare everything, and report it on the output of ``command``, except the password."""
    done = []
    with first_run.one_at_a_time():
        if migrations := first_run.migrate():
            done.append(f"Applied {counted(migrations, 'migration')}.")
        else:
            report = sync_providers()
            if report.created or report.updated:
                done.append("Updated the built-in providers.")
        first_run.collect_static_files()
        account = FirstAccount(*first_run.create_first_account())
    if not settings.TRIAL:
        trial.end(settings.DATA_DIR)
    if account.name:
        done.append(f"Created the account {account.name}.")
    command.stdout.write(" ".join(done) or "Everything is up to date.")
    for problem in check_master_keys(["default"]):  # a warning: serving continues
        command.stderr.write(f"{problem.msg} {problem.hint}")
    command.stdout.write(f"Data directory: {settings.DATA_DIR}")
    for kind in ("secret_key", "master_key"):
        if (path := settings.DATA_DIR / kind).exists() and settings.TRIAL:
            command.stdout.write(f"{kind.replace('_', ' ').capitalize()} file: {path}")
    return account
