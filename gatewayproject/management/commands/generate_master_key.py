"""Make a master key."""

from typing import Any

from django.core.management.base import BaseCommand

from gatewayproject.keyring import generate_master_key


class Command(BaseCommand):
    help = "Print a new random master key, for FERNET_KEYS or FERNET_KEYS_FILE. Nothing is stored."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        self.stdout.write(generate_master_key())
