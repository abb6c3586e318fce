"""What the first request needs: tables, providers, static files, an account."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from .environment import Environment

LOCK_NUMBER = 0x6761_7465  # "gate"; must be unique in this database


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let only one process prepare the database at a time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_NUMBER])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_NUMBER])
        return
    database = Path(connection.settings_dict["NAME"])
    with open(database.with_name(f"{database.name}.prepare"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes or the process dies
        yield


def migrate() -> int:
    """Apply missing migrations and return their number."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def collect_static_files() -> None:
    """Collect static files. A trial serves the originals, a read-only image has them."""
    root = Path(settings.STATIC_ROOT)
    has_them = (root / "staticfiles.json").exists() and not os.access(root, os.W_OK)
    if not settings.TRIAL and not has_them:
        call_command("collectstatic", interactive=False, verbosity=0)


def create_first_account() -> tuple[str, str]:
    """Create a superuser if there is none, and return its name and generated password.

    The name is empty if there was one already, the password if the environment provided it.
    """
    env = Environment()
    accounts = get_user_model().objects
    name = env.str("DJANGO_SUPERUSER_USERNAME", default="admin")
    if accounts.filter(is_superuser=True).exists() or accounts.filter(username=name).exists():
        return "", ""
    given = env.str("DJANGO_SUPERUSER_PASSWORD", default="")
    password = given or secrets.token_urlsafe(15)
    email = env.str("DJANGO_SUPERUSER_EMAIL", default="")
    accounts.create_superuser(name, email, password)
    return name, "" if given else password
