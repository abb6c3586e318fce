"""A simulated LLM provider, for ``make demo``, the tests and the benchmarks.

It supports the dialects of OpenAI, Anthropic, Google and Bedrock, and accepts any key. The name of
the model can request errors and delays (see ``behaviors``). Use it only on loopback.
"""

import argparse
import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple, Self

from . import dialects, server, token_service
from .behaviors import BEHAVIORS, Normal, behavior_of
from .connection import Connection, RawRequest
from .dialects import Dialect
from .generator import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, UNCACHED_TOKENS
from .http_response import Response, json_response
from .scripted_responses import ScriptedResponses

__all__ = [
    "CACHED_TOKENS",
    "INPUT_TOKENS",
    "OUTPUT_TOKENS",
    "UNCACHED_TOKENS",
    "Provider",
    "Received",
    "Response",
    "json_response",
]

MAX_CACHED_BODY = 16 * 1024  # bytes; smaller requests are interpreted once and cached

cached_interpret = lru_cache(maxsize=128)(dialects.interpret)


class Received(NamedTuple):
    """One complete request, exactly as it was sent."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Provider:
    """The provider. ``record`` keeps every request; ``pause`` is the seconds between chunks.

    ``accept_keys`` are the only valid keys (None: any), ``redirect_to`` is where the model
    ``redirect`` redirects to, and ``token_lifetime`` is the lifetime of OAuth tokens in seconds.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, record: bool = True, pause: float = 0
    ) -> None:
        self.host, self.port = host, port
        self.record, self.pause = record, pause
        self.accept_keys: set[str] | None = None
        self.redirect_to = "https://elsewhere.example"
        self.token_lifetime = 3600
        self.token_numbers = itertools.count(1)
        self.connections: set[Connection] = set()
        self.clear()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self.connections)

    # Scripted responses

    def clear(self) -> None:
        """Forget the requests, the count of aborted ones and all scripted responses."""
        self.requests: list[Received] = []
        self.aborted = 0
        self.scripted = ScriptedResponses()

    def next_responses(self, *responses: Response) -> None:
        """Send these responses next, in order, whatever the requests are."""
        self.scripted.add(*responses)

    def script(self, key: str, *responses: Response, repeat: bool = False) -> None:
        """Send these responses to requests for the model ``key`` or with ``key`` in their path.

        With ``repeat``, start again after the last one.
        """
        self.scripted.add_for(key, *responses, repeat=repeat)

    # Responses

    def respond(self, request: RawRequest) -> Response:
        method, _, header_list, headers, body = request
        target = request.target.decode("latin-1")
        if self.record:
            pairs = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in header_list
            ]
            self.requests.append(Received(method, target, pairs, body))
        interpret = cached_interpret if len(body) <= MAX_CACHED_BODY else dialects.interpret
        client = "google" if b"x-goog-api-key" in headers else None
        if b"anthropic-version" in headers:
            client = "anthropic"
        dialect, model, response = interpret(method, target, body, client=client, pause=self.pause)
        path = target.partition("?")[0]
        if scripted := self.scripted.take(model, path):
            return scripted
        if dialect is not None:
            return self.respond_in(dialect, model, response, headers, target)
        if token_service.is_token_request(method, path):
            number, lifetime = next(self.token_numbers), self.token_lifetime
            return token_service.issue_token(path, headers, body, number=number, lifetime=lifetime)
        return response

    def respond_in(
        self,
        dialect: Dialect,
        model: str,
        response: Response,
        headers: Mapping[bytes, bytes],
        path: str,
    ) -> Response:
        """Check the key, and apply the behavior that the model's name requests."""
        key = dialect.key(headers)
        if key is None or (self.accept_keys is not None and key not in self.accept_keys):
            return dialect.unauthorized(headers)
        if (found := behavior_of(model)) is None:
            return response
        behavior, number = found
        return behavior(Normal(response, dialect, key, headers, path, self.redirect_to), number)

    # Running

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve in a thread while the block runs."""
        with server.running_in_thread(self.serve):
            yield self

    async def serve(self, stop: asyncio.Event, started: Callable[[], object]) -> None:
        """Serve until ``stop`` is set, then close all connections."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: Connection(self), self.host, self.port, backlog=1024
        )
        self.port = listener.sockets[0].getsockname()[1]
        started()
        await stop.wait()
        listener.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="A simulated LLM provider on loopback.",
        epilog=f"Models that fail: {', '.join(BEHAVIORS)} (see gatewayproject/demo/behaviors.py).",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8099, help="0 chooses a free one")
    parser.add_argument(
        "--pause", type=float, default=0, metavar="MS", help="milliseconds between chunks"
    )
    options = parser.parse_args()
    provider = Provider(
        host=options.host, port=options.port, record=False, pause=options.pause / 1000
    )
    server.run_until_signal(
        provider.serve, started=lambda: print(f"listening on {provider.url}", flush=True)
    )


if __name__ == "__main__":
    main()
