"""Make a master key. ``manage.py`` runs this without any settings."""

from typing import Any

from django.core.management.base import BaseCommand

from gatewayproject.keyring import generate_master_key

NEXT = (
    "Next: keep it apart from the database and its backups. On a new installation it is "
    "FERNET_KEYS. Where FERNET_KEYS has a key already, put the new one last on every server, or "
    "first where there is only one, restart, and go on as docs/rotation.md says."
)


class Command(BaseCommand):
    help = "Print a new random master key, for FERNET_KEYS or FERNET_KEYS_FILE. Nothing is stored."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        self.stdout.write(generate_master_key())
        self.stderr.write(NEXT, str)  # beside the key, not after it; and not in red
