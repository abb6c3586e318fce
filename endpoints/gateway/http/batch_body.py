"""Anthropic's batches: many requests in one body, each of which names the endpoint as its model."""

import asyncio
import json

from .bodies import LONGEST_MODEL, MODEL_VALUE, Outline, in_turns, outline_of, with_values
from .problems import Problem, Refusal

MAX_KEYS = 20_000  # called "model" or "messages", so about 10,000 requests; their index takes 3 MB
DEPTH = 4  # of requests[].params.model; source: Anthropic API reference, Create a Message Batch


async def read_batch(turn: asyncio.Lock, raw: bytes) -> "BatchBody":
    """Read a batch without blocking the event loop. Raises ``Refusal``."""
    return BatchBody(raw, await in_turns(outline_of(raw, MAX_KEYS), turn))


class BatchBody:
    """A batch of which every request names the same endpoint."""

    __slots__ = ("_places", "endpoint", "raw")

    def __init__(self, raw: bytes, outline: Outline) -> None:
        outline.check(raw)
        self.raw = raw
        self._places: list[tuple[int, int]] = []
        names = set()
        for key in outline.keys:
            if key.depth != DEPTH or key.name.lower() != "model":
                continue
            value = MODEL_VALUE.match(raw, key.value, key.value + LONGEST_MODEL)
            if value is None or key.name != "model":
                raise Refusal(Problem.NO_MODEL)
            self._places.append(value.span())
            names.add(value[0])
        if len(names) > 1:
            raise Refusal(Problem.MIXED_BATCH)
        if not names:
            raise Refusal(Problem.NO_MODEL)
        try:
            self.endpoint = str(json.loads(names.pop()) or "")
        except ValueError:
            self.endpoint = ""
        if not self.endpoint:
            raise Refusal(Problem.NO_MODEL)

    def with_model(self, model: str) -> bytes:
        """Return the batch with ``model`` in each request, all else byte for byte."""
        return with_values(self.raw, self._places, json.dumps(model).encode())
