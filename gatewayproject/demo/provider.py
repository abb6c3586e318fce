"""An imitation LLM provider on loopback, for ``make demo``, the tests and the benchmarks.

It speaks the dialects of OpenAI, Anthropic, Google and Bedrock, wants a key and takes any, and does
what the name of the model says (see ``moods``). It is meant for loopback and for made-up keys.
"""

import argparse
import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple, Self

from gatewayproject.demo import dialects, serving, tokens
from gatewayproject.demo.answers import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    UNCACHED_TOKENS,
    Answer,
    json_answer,
)
from gatewayproject.demo.dialects import Dialect
from gatewayproject.demo.moods import MOODS, Scene, mood_of
from gatewayproject.demo.protocol import Connection
from gatewayproject.demo.script import Script

__all__ = [
    "CACHED_TOKENS",
    "INPUT_TOKENS",
    "OUTPUT_TOKENS",
    "UNCACHED_TOKENS",
    "Answer",
    "Provider",
    "Received",
    "json_answer",
]

CACHED_BODY = 16 * 1024  # bytes; a request as small as this is understood once and remembered

understand_again = lru_cache(maxsize=128)(dialects.understand)


class Received(NamedTuple):
    """One complete request, exactly as it was sent."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Provider:
    """The provider; ``record`` keeps every request, ``pause`` is the seconds between chunks.

    ``accept_keys`` are the only keys that are good (None: any), ``redirect_to`` the origin that the
    model ``redirect`` sends to, ``token_lifetime`` the seconds that its OAuth tokens last.
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

    # What it is told

    def clear(self) -> None:
        """Forget the requests, the count of aborted ones and every answer told in advance."""
        self.requests: list[Received] = []
        self.aborted = 0
        self.told = Script()

    def next_answers(self, *answers: Answer) -> None:
        """Give these answers first, in order, whatever is asked."""
        self.told.for_anything(*answers)

    def script(self, key: str, *answers: Answer, forever: bool = False) -> None:
        """Give these to requests for the model ``key``, or with it in their path.

        ``forever`` starts them over when they are used up.
        """
        self.told.for_name(key, *answers, forever=forever)

    # What it answers

    def answer_to(
        self,
        method: str,
        target: bytes,
        pairs: list[tuple[bytes, bytes]],
        headers: Mapping[bytes, bytes],
        body: bytes,
    ) -> Answer:
        """Answer a request; ``pairs`` are the headers as sent, ``headers`` by lower-case name."""
        sent = target.decode("latin-1")
        if self.record:
            told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
            self.requests.append(Received(method, sent, told, body))
        read = understand_again if len(body) <= CACHED_BODY else dialects.understand
        dialect, model, answer = read(
            method, sent, body, client=client_of(headers), pause=self.pause
        )
        path = sent.partition("?")[0]
        if told_before := self.told.answer_to(model, path):
            return told_before
        if dialect is not None:
            return self.in_dialect(dialect, model, answer, headers, sent)
        if tokens.is_token_request(method, path):
            number, lifetime = next(self.token_numbers), self.token_lifetime
            return tokens.issue(path, headers, body, number=number, lifetime=lifetime)
        return answer

    def in_dialect(
        self,
        dialect: Dialect,
        model: str,
        answer: Answer,
        headers: Mapping[bytes, bytes],
        path: str,
    ) -> Answer:
        key = dialect.key(headers)
        if key is None or (self.accept_keys is not None and key not in self.accept_keys):
            return dialect.refusal(headers)
        if (mood := mood_of(model)) is None:
            return answer
        spoil, number = mood
        return spoil(Scene(answer, dialect, key, headers, path, self.redirect_to), number)

    # How it runs

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve in a thread of its own while the block runs."""
        with serving.in_thread(self.serve):
            yield self

    async def serve(self, stop: asyncio.Event, started: Callable[[], object]) -> None:
        """Serve until ``stop``, and leave no connection open."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self), self.host, self.port, backlog=1024
        )
        self.port = server.sockets[0].getsockname()[1]
        started()
        await stop.wait()
        server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def client_of(headers: Mapping[bytes, bytes]) -> str | None:
    if b"anthropic-version" in headers:
        return "anthropic"
    return "google" if b"x-goog-api-key" in headers else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description="An imitation LLM provider on loopback.",
        epilog=f"Models that misbehave: {', '.join(MOODS)} (see gatewayproject/demo/moods.py).",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8099, help="0 takes a free one")
    parser.add_argument(
        "--pause", type=float, default=0, metavar="MS", help="milliseconds between chunks"
    )
    told = parser.parse_args()
    provider = Provider(host=told.host, port=told.port, record=False, pause=told.pause / 1000)
    serving.as_process(
        provider.serve, started=lambda: print(f"listening on {provider.url}", flush=True)
    )


if __name__ == "__main__":
    main()
