"""Generate a master key. ``command_line`` runs this without settings."""

from typing import Any

from django.core.management.base import BaseCommand

from gatewayproject.keyring import generate_master_key

NEXT = (
    "Next: store it separately from the database and its backups. On a new installation, set "
    "FERNET_KEYS to it. If FERNET_KEYS already has a key, add the new one last on every server, or "
    "first if there is only one server. Restart, then follow docs/rotation.md."
)


class Command(BaseCommand):
    help = "Print a new random master key, for FERNET_KEYS. Nothing is stored."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        self.stdout.write(generate_master_key())
        self.stderr.write(NEXT, str)  # on stderr, so that stdout has only the key; not in red
