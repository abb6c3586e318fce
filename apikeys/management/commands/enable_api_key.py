"""Enable an API key from a terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apikeys import services
from apikeys.actors import Actor
from apikeys.management.acting import act_on
from apikeys.models import ApiKey


class Command(BaseCommand):
    help = (
        "Let the gateway use a disabled API key again, from the next request on. The exit status "
        "is 1 where it was not disabled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *, name: str, **options: Any) -> None:
        for line in act_on(name, {"enable": _enable}):
            self.stdout.write(line)


def _enable(api_key: ApiKey) -> str:
    services.enable_api_key(api_key, by=Actor.at_the_console(), rev=api_key.rev)
    return f"Enabled {api_key.name}."
