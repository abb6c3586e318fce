"""Pydantic AI with Google's API."""

from driver import ASKS_FOR_TOOL, HELLO, Target, main
from pydantic_ai import Agent
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider


def agent(target: Target) -> Agent:
    model = GoogleModel(
        target.model, provider=GoogleProvider(base_url=target.url, api_key=target.key)
    )
    return Agent(model)


def chat(target: Target) -> str:
    return agent(target).run_sync(HELLO).output


def stream(target: Target) -> str:
    return "".join(agent(target).run_stream_sync(HELLO).stream_text(delta=True))


def tools(target: Target) -> dict[str, str]:
    called = {}
    weather = agent(target)

    @weather.tool_plain
    def get_weather(city: str) -> str:
        """Get the weather."""
        called["city"] = city
        return "sunny"

    weather.run_sync(ASKS_FOR_TOOL)
    return called


main(globals())
