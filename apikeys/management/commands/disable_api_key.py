"""Disable an API key from a terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys import services
from apikeys.actors import Actor
from apikeys.management.acting import act_on
from apikeys.models import ApiKey


class Command(BaseCommand):
    help = (
        "Stop sending an API key's credentials anywhere, from the next request on. Nothing is "
        "deleted, and enable_api_key ends it. Where active endpoints depend on the key they are "
        "listed, and --yes is asked for. The exit status is 1 where it was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--yes", action="store_true", help="Whatever depends on it.")

    def handle(self, *, name: str, yes: bool, **options: Any) -> None:
        acts = {"disable": lambda api_key: _disable(api_key, is_sure=yes)}
        for line in act_on(name, acts):
            self.stdout.write(line)


def _disable(api_key: ApiKey, *, is_sure: bool) -> str:
    radius = api_key.blast_radius()
    names = ", ".join(dependent.name for dependent in radius.active)
    if names and api_key.enabled and not is_sure:
        raise CommandError(
            f"Active endpoints depend on {api_key.name}: {names}. Add --yes to disable it anyway."
        )
    seen = radius.digest()
    services.disable_api_key(api_key, by=Actor.at_the_console(), rev=api_key.rev, seen=seen)
    lines = [f"Disabled {api_key.name}."]
    if names:
        lines.append(f"These endpoints depend on it: {names}.")
    return "\n".join(lines)
