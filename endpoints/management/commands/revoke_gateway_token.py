"""Revoke a gateway token from a script or a terminal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from endpoints.models import GatewayToken
from endpoints.services import revoke_token
from gatewayproject.accounts.actors import Actor


class Command(BaseCommand):
    help = (
        "Revoke a gateway token. Requests with it are rejected immediately. This cannot be undone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *, name: str, **options: Any) -> None:
        try:
            token = GatewayToken.objects.named(name).first()
        except UnicodeEncodeError:  # an argument that is not text
            token = None
        if token is None:
            raise CommandError("There is no gateway token with this name.")
        is_news = revoke_token(token, by=Actor.at_the_console())
        self.stdout.write(f"{'Revoked' if is_news else 'Already revoked:'} {token.name}.")
