"""LangChain with Anthropic's API."""

from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main
from langchain_anthropic import ChatAnthropic

TOOL = {"title": "get_weather", "description": "Get the weather.", **CITY}


def model(target: Target) -> ChatAnthropic:
    return ChatAnthropic(
        base_url=target.url, api_key=target.key, model=target.model, max_tokens=1024
    )


def chat(target: Target) -> str:
    return model(target).invoke(HELLO).text


def stream(target: Target) -> str:
    return "".join(part.text for part in model(target).stream(HELLO))


def tools(target: Target) -> dict[str, str]:
    return model(target).bind_tools([TOOL]).invoke(ASKS_FOR_TOOL).tool_calls[0]["args"]


main(globals())
