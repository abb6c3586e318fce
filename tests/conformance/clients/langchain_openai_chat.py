"""LangChain with OpenAI's API."""

from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

TOOL = {"title": "get_weather", "description": "Get the weather.", **CITY}


def model(target: Target) -> ChatOpenAI:
    return ChatOpenAI(base_url=target.url, api_key=target.key, model=target.model)


def chat(target: Target) -> str:
    return model(target).invoke(HELLO).text


def stream(target: Target) -> str:
    return "".join(part.text for part in model(target).stream(HELLO))


def tools(target: Target) -> dict[str, str]:
    return model(target).bind_tools([TOOL]).invoke(ASKS_FOR_TOOL).tool_calls[0]["args"]


def embeddings(target: Target) -> list[float]:
    return OpenAIEmbeddings(
        base_url=target.url,
        api_key=target.key,
        model=target.model,
        check_embedding_ctx_length=False,  # send text, not token IDs
    ).embed_query(HELLO)


main(globals())
