"""Serve a sample of everything, against a provider of our own."""

from contextlib import suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.models import ApiKey
from gatewayproject.demo.provider import Provider
from gatewayproject.demo.sample import make_sample
from gatewayproject.demo.traffic import send_traffic

PAUSE = 0.04  # seconds between the words of an answer, as one is used to

WELCOME = """
Gatehouse is at {url}

It is a demonstration: sample keys of several providers, endpoints, traffic and charts, in a
directory that is thrown away at the end. The provider behind it is an imitation on this machine.

Call an endpoint as an application would:

    curl {url}/gateway/v1/chat/completions \\
      -H "Authorization: Bearer {token}" \\
      -d '{{"model": "assistant", "messages": [{{"role": "user", "content": "Hello"}}]}}'

Endpoints: {endpoints}. Stop with Ctrl-C.
"""


class Command(BaseCommand):
    help = "Serve sample keys, endpoints and traffic against an imitation provider. `make demo`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=5000)

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo needs DEBUG=true and a directory of its own: make demo.")
        call_command("prepare", stdout=self.stdout)
        if ApiKey.objects.exists():
            raise CommandError(f"There are API keys in {settings.DATA_DIR}: use an empty one.")
        with Provider(record=False, pause=PAUSE).running() as provider:
            sample = make_sample(provider.url)
            config = uvicorn.Config(
                "gatewayproject.asgi:application",
                http="gatewayproject.heads:Protocol",
                host=host,
                port=port,
                access_log=False,
                server_header=False,
                log_level="warning",
                timeout_graceful_shutdown=2,
            )
            config.load()  # so that it listens when the address is read
            self.stdout.write(
                WELCOME.format(
                    url=f"http://{host}:{port}",
                    token=sample.token,
                    endpoints=", ".join(sample.endpoints),
                )
            )
            self.stdout.flush()
            stop = send_traffic(port, sample.token, sample.endpoints)
            with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
                uvicorn.Server(config).run()
            stop.set()
