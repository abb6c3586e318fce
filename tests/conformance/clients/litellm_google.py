"""LiteLLM's Python package with Google's API."""

import json
from typing import Any

import litellm
from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}


def complete(target: Target, content: str, **options: Any) -> Any:
    return litellm.completion(
        model=f"gemini/{target.model}",
        api_base=target.url,
        api_key=target.key,
        messages=[{"role": "user", "content": content}],
        **options,
    )


def chat(target: Target) -> str:
    return complete(target, HELLO).choices[0].message.content


def stream(target: Target) -> str:
    parts = complete(target, HELLO, stream=True)
    return "".join(part.choices[0].delta.content or "" for part in parts)


def tools(target: Target) -> dict[str, str]:
    response = complete(target, ASKS_FOR_TOOL, tools=[TOOL])
    return json.loads(response.choices[0].message.tool_calls[0].function.arguments)


main(globals())
