"""A request to the simulated provider, whatever its dialect."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import generator


class ApiRequest(NamedTuple):
    """A parsed request, with the number of chunks to stream and the seconds between them."""

    path: str
    operation: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    model: str
    chunks: int | None = None
    pause: float = 0

    def reply_to(self, messages: Any) -> str:
        return generator.reply_to(generator.last_user_text(messages))

    def split(self, text: str) -> list[str]:
        return generator.split_words(text, self.chunks)
