"""Serve sample data against a simulated provider."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.models import ApiKey
from gatewayproject.demo.provider import Provider
from gatewayproject.demo.sample import create_sample
from gatewayproject.demo.traffic import send_traffic
from gatewayproject.server import local_server

from .prepare import prepare

PAUSE = 0.04  # seconds between the words of a response, as with a real model

WELCOME = """
This is a demo: sample keys, endpoints, traffic and charts. The provider is simulated on this
machine, and the data is deleted when you stop the demo.

Call an endpoint as an app would:

    curl {url}/gateway/v1/chat/completions \\
      -H "Authorization: Bearer {token}" \\
      -d '{{"model": "assistant", "messages": [{{"role": "user", "content": "Hello"}}]}}'

Endpoints: {endpoints}. Ctrl-C stops the demo.
"""


class Command(BaseCommand):
    help = "Serve sample keys, endpoints and traffic against a simulated provider. `make demo`."

    def add_arguments(self, parser: CommandParser) -> None:
        local_server.add_arguments(parser)

    def handle(self, *, host: str, port: str, **options: Any) -> None:
        if not settings.TRIAL:
            raise CommandError(
                "The demo needs DEBUG=true and its own data directory. Run: make demo"
            )
        listener = local_server.listen(host, port, target="demo")
        url = local_server.url_of(listener)
        account = prepare(self)
        if ApiKey.objects.exists():
            raise CommandError(f"{settings.DATA_DIR} already has API keys. Use an empty directory.")
        with Provider(record=False, pause=PAUSE).running() as provider:
            sample = create_sample(provider.url)
            endpoints = ", ".join(sample.endpoints)
            sign_in = f"sign in as {account.name}"
            if account.password:
                sign_in += f" with the password {account.password}"

            def welcome() -> None:
                self.stdout.write(WELCOME.format(url=url, token=sample.token, endpoints=endpoints))
                self.stdout.write(f"Open {url} and {sign_in}")
                self.stdout.flush()

            stop = send_traffic(url, sample.token, sample.endpoints)
            local_server.serve(listener, ready=welcome)
            stop.set()
