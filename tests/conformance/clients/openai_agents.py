"""OpenAI's Agents SDK, with Responses, which is its default."""

import asyncio

from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool
from driver import ASKS_FOR_TOOL, HELLO, Target, main


def config(target: Target) -> RunConfig:
    provider = OpenAIProvider(base_url=target.url, api_key=target.key)
    return RunConfig(model_provider=provider, tracing_disabled=True)


def agent(target: Target, **options: object) -> Agent:
    return Agent(name="Assistant", model=target.model, **options)


def chat(target: Target) -> str:
    return Runner.run_sync(agent(target), HELLO, run_config=config(target)).final_output


def tools(target: Target) -> dict[str, str]:
    called = {}

    @function_tool
    def get_weather(city: str) -> str:
        """Get the weather."""
        called["city"] = city
        return "sunny"

    Runner.run_sync(agent(target, tools=[get_weather]), ASKS_FOR_TOOL, run_config=config(target))
    return called


def stream(target: Target) -> str:
    async def run() -> str:
        result = Runner.run_streamed(agent(target), HELLO, run_config=config(target))
        return "".join(
            [
                event.data.delta
                async for event in result.stream_events()
                if event.type == "raw_response_event"
                and event.data.type == "response.output_text.delta"
            ]
        )

    return asyncio.run(run())


main(globals())
