"""The content that the simulated provider generates, independent of the API."""

from collections.abc import Mapping
from typing import Any

# The same token counts for every request.
INPUT_TOKENS = 11  # of the whole prompt, including the cached part
OUTPUT_TOKENS = 7
CACHED_TOKENS = 3
UNCACHED_TOKENS = INPUT_TOKENS - CACHED_TOKENS  # what Anthropic and Bedrock call input tokens

MAX_ECHO = 200  # characters of the last user message
DEFAULT_CHUNKS = 12
MODELS = ("simulated-large", "simulated-small", "slow-2000", "stream-40-50", "fail-429", "fail-500")
EXAMPLES = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}


def reply_to(message: str) -> str:
    return f"Hello from the simulated provider! You said: {message[:MAX_ECHO]}"


def split_words(text: str, count: int | None = None) -> list[str]:
    """Split ``text`` at spaces into ``count`` parts (words repeat if too few), or at most 12."""
    words = [word if number == 0 else f" {word}" for number, word in enumerate(text.split(" "))]
    if count is None:
        count = min(len(words), DEFAULT_CHUNKS)
    if len(words) < count:
        return [words[number % len(words)] for number in range(count)]
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
    """Report whether the request has tools and its last message, by the user, contains "tool"."""
    last = messages[-1] if tools and isinstance(messages, list) and messages else {}
    return last.get("role", "user") == "user" and "tool" in text_of(last)


def example_arguments(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Arguments that match a tool's JSON schema, one level deep."""
    arguments = {}
    for name, of in ((schema or {}).get("properties") or {}).items():
        example = EXAMPLES.get(str(of.get("type", "string")).lower(), "example")
        arguments[name] = of["enum"][0] if of.get("enum") else example
    return arguments


def halves(text: str) -> tuple[str, str]:
    """Two fragments that are not valid JSON by themselves, as streamed tool arguments are."""
    return text[: len(text) // 2], text[len(text) // 2 :]


def example_vector(dimensions: Any = None) -> list[float]:
    """An embedding with the requested dimensions; every value is exact in 32 bits."""
    return [(index % 8) / 8 for index in range(min(int(dimensions or 8), 4096))]
