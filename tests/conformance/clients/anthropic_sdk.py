"""Anthropic's SDK for Python."""

from anthropic import Anthropic
from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main

MESSAGES = [{"role": "user", "content": HELLO}]
TOOL = {"name": "get_weather", "input_schema": CITY}


def client(target: Target) -> Anthropic:
    return Anthropic(base_url=target.url, api_key=target.key)


def models(target: Target) -> list[str]:
    return [model.id for model in client(target).models.list()]


def retrieve(target: Target) -> str:
    return client(target).models.retrieve(target.model).id


def chat(target: Target) -> str:
    message = client(target).messages.create(model=target.model, max_tokens=99, messages=MESSAGES)
    return message.content[0].text


def stream(target: Target) -> str:
    with client(target).messages.stream(
        model=target.model, max_tokens=99, messages=MESSAGES
    ) as events:
        return events.get_final_text()


def tools(target: Target) -> dict[str, str]:
    message = client(target).messages.create(
        model=target.model,
        max_tokens=99,
        messages=[{"role": "user", "content": ASKS_FOR_TOOL}],
        tools=[TOOL],
    )
    return message.content[0].input


main(globals())
