"""Google's Gen AI SDK for Python."""

from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main
from google import genai

TOOLS = {
    "tools": [{"function_declarations": [{"name": "get_weather", "parameters": CITY}]}],
    "automatic_function_calling": {"disable": True},
}


def client(target: Target) -> genai.Client:
    return genai.Client(api_key=target.key, http_options={"base_url": target.url})


def models(target: Target) -> list[str]:
    with client(target) as google:
        return [model.name for model in google.models.list()]


def retrieve(target: Target) -> str:
    with client(target) as google:
        return google.models.get(model=target.model).name


def chat(target: Target) -> str:
    with client(target) as google:
        return google.models.generate_content(model=target.model, contents=HELLO).text


def stream(target: Target) -> str:
    with client(target) as google:
        parts = google.models.generate_content_stream(model=target.model, contents=HELLO)
        return "".join(part.text or "" for part in parts)


def tools(target: Target) -> dict[str, str]:
    with client(target) as google:
        response = google.models.generate_content(
            model=target.model, contents=ASKS_FOR_TOOL, config=TOOLS
        )
    return response.function_calls[0].args


def embeddings(target: Target) -> list[float]:
    with client(target) as google:
        response = google.models.embed_content(model=target.model, contents=HELLO)
    return response.embeddings[0].values


main(globals())
