"""Enable an API key from a terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apikeys import services
from apikeys.management.key_actions import run_actions
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor


class Command(BaseCommand):
    help = (
        "Use a disabled API key again from the next request. Exit status: 0 done, 1 refused, for "
        "example because the key is not disabled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *, name: str, **options: Any) -> None:
        def enable(api_key: ApiKey) -> str:
            services.enable_api_key(api_key, by=Actor.at_the_console(), rev=api_key.rev)
            return f"Enabled {api_key.name}."

        for line in run_actions(name, {"enable": enable}):
            self.stdout.write(line)
