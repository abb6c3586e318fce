"""Disable an API key from a terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.blast_radius import blast_radius_of
from apikeys.management.key_actions import run_actions
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor


class Command(BaseCommand):
    help = (
        "Stop using an API key from the next request. Nothing is deleted; enable_api_key enables "
        "it again. If active endpoints depend on the key, the command lists them and requires "
        "--yes. Exit status: 0 done, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--yes", action="store_true", help="Disable it even if active endpoints depend on it."
        )

    def handle(self, *, name: str, yes: bool, **options: Any) -> None:
        def disable(api_key: ApiKey) -> str:
            radius = blast_radius_of(api_key)
            names = ", ".join(dependent.name for dependent in radius.active)
            if names and api_key.enabled and not yes:
                depend = f"Active endpoints depend on {api_key.name}: {names}."
                raise CommandError(f"{depend} Add --yes to disable it anyway.")
            seen = radius.digest()
            services.disable_api_key(api_key, by=Actor.at_the_console(), rev=api_key.rev, seen=seen)
            note = f"\nThese endpoints depend on it: {names}." if names else ""
            return f"Disabled {api_key.name}.{note}"

        for line in run_actions(name, {"disable": disable}):
            self.stdout.write(line)
