"""Ollama's Python client, at the endpoint's own path."""

from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main
from ollama import Client

MESSAGES = [{"role": "user", "content": HELLO}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}


def client(target: Target) -> Client:
    return Client(host=target.url, headers={"Authorization": f"Bearer {target.key}"})


def chat(target: Target) -> str:
    return client(target).chat(model=target.model, messages=MESSAGES).message.content


def stream(target: Target) -> str:
    parts = client(target).chat(model=target.model, messages=MESSAGES, stream=True)
    return "".join(part.message.content for part in parts)


def tools(target: Target) -> dict[str, str]:
    messages = [{"role": "user", "content": ASKS_FOR_TOOL}]
    response = client(target).chat(model=target.model, messages=messages, tools=[TOOL])
    return response.message.tool_calls[0].function.arguments


def embeddings(target: Target) -> list[float]:
    return list(client(target).embed(model=target.model, input=HELLO).embeddings[0])


main(globals())
