"""OpenAI's SDK for Python."""

import json

from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main
from openai import OpenAI

MESSAGES = [{"role": "user", "content": HELLO}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}


def client(target: Target) -> OpenAI:
    return OpenAI(base_url=target.url, api_key=target.key)


def models(target: Target) -> list[str]:
    return [model.id for model in client(target).models.list()]


def retrieve(target: Target) -> str:
    return client(target).models.retrieve(target.model).id


def chat(target: Target) -> str:
    response = client(target).chat.completions.create(model=target.model, messages=MESSAGES)
    return response.choices[0].message.content


def stream(target: Target) -> str:
    chunks = client(target).chat.completions.create(
        model=target.model,
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(part.choices[0].delta.content or "" for part in chunks if part.choices)


def tools(target: Target) -> dict[str, str]:
    response = client(target).chat.completions.create(
        model=target.model, messages=[{"role": "user", "content": ASKS_FOR_TOOL}], tools=[TOOL]
    )
    return json.loads(response.choices[0].message.tool_calls[0].function.arguments)


def embeddings(target: Target) -> list[float]:
    response = client(target).embeddings.create(model=target.model, input=HELLO)
    return response.data[0].embedding


main(globals())
