"""Revoke a gateway token from a script or a terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.actors import Actor
from apikeys.models.naming import same_name_key
from endpoints.models import GatewayToken
from endpoints.services import revoke_token


class Command(BaseCommand):
    help = "Revoke a gateway token: it is refused from the next request on. It cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *, name: str, **options: Any) -> None:
        try:
            token = GatewayToken.objects.filter(name_key=same_name_key(name)[:240]).first()
        except UnicodeEncodeError:  # an argument that is not text
            token = None
        if token is None:
            raise CommandError("There is no gateway token of this name.")
        is_news = revoke_token(token, by=Actor.at_the_console())
        self.stdout.write(f"{'Revoked' if is_news else 'Was revoked already:'} {token.name}.")
