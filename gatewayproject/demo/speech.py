"""What the imitation provider has to say, in any dialect."""

from collections.abc import Mapping
from typing import Any, NamedTuple

ECHOED = 200  # characters of the last user message
CHUNKS = 12
MODELS = ("imitation-large", "imitation-small", "slow-2000", "stream-40-50", "fail-429", "fail-500")
EXAMPLES = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


class Ask(NamedTuple):
    """One request understood: its JSON, its model, and how fast to speak."""

    path: str
    act: str
    query: Mapping[str, str]
    said: Mapping[str, Any]
    model: str
    chunks: int | None = None
    pause: float = 0

    def reply_to(self, messages: Any) -> str:
        return reply_to(last_user_text(messages))

    def pieces(self, text: str) -> list[str]:
        return pieces(text, self.chunks)


def reply_to(message: str) -> str:
    return f"Hello from the imitation provider! You said: {message[:ECHOED]}"


def pieces(text: str, count: int | None = None) -> list[str]:
    """``text`` in words: exactly ``count`` pieces (words return if need be), or about a dozen."""
    words = [word if at == 0 else f" {word}" for at, word in enumerate(text.split(" "))]
    if count is None:
        count = min(len(words), CHUNKS)
    if len(words) < count:
        return [words[at % len(words)] for at in range(count)]
    return [*words[: count - 1], "".join(words[count - 1 :])]


def last_user_text(messages: Any) -> str:
    if isinstance(messages, str):
        return messages
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, str):
            return message
        if isinstance(message, dict) and message.get("role", "user") == "user":
            return text_of(message)
    return ""


def text_of(content: Any) -> str:
    """The text in a string, a content part, a message, or a list of any of them."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(filter(None, map(text_of, content)))
    if isinstance(content, dict):
        return text_of(content.get("text") or content.get("content") or content.get("parts"))
    return ""


def wants_tool(tools: Any, messages: Any) -> bool:
    """Tools are given and the user, who spoke last, says the word."""
    last = messages[-1] if tools and isinstance(messages, list) and messages else {}
    return last.get("role", "user") == "user" and "tool" in text_of(last)


def made_up_arguments(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments that fit a tool's JSON schema, one level deep."""
    properties = (schema or {}).get("properties") or {}
    return {name: made_up_value(of) for name, of in properties.items()}


def made_up_value(schema: Mapping[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    return EXAMPLES.get(str(schema.get("type", "string")).lower(), "made up")


def in_halves(text: str) -> tuple[str, str]:
    """Two fragments that are not JSON by themselves, as streams tell a tool's arguments."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def made_up_vector(dimensions: Any = None) -> list[float]:
    """An embedding of as many dimensions as asked for; every value is exact in 32 bits."""
    return [(at % 8) / 8 for at in range(min(int(dimensions or 8), 4096))]
