"""LlamaIndex with OpenAI's API."""

from driver import ASKS_FOR_TOOL, HELLO, Target, main
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike


def get_weather(city: str) -> str:
    """Get the weather."""
    return city


def model(target: Target) -> OpenAILike:
    return OpenAILike(
        api_base=target.url,
        api_key=target.key,
        model=target.model,
        is_chat_model=True,
        is_function_calling_model=True,
    )


def chat(target: Target) -> str:
    return model(target).chat([ChatMessage(role="user", content=HELLO)]).message.content


def stream(target: Target) -> str:
    parts = model(target).stream_chat([ChatMessage(role="user", content=HELLO)])
    return "".join(part.delta or "" for part in parts)


def tools(target: Target) -> dict[str, str]:
    llm = model(target)
    response = llm.chat_with_tools([FunctionTool.from_defaults(get_weather)], ASKS_FOR_TOOL)
    return llm.get_tool_calls_from_response(response)[0].tool_kwargs


def embeddings(target: Target) -> list[float]:
    return OpenAILikeEmbedding(
        api_base=target.url, api_key=target.key, model_name=target.model
    ).get_text_embedding(HELLO)


main(globals())
