"""Ollama's own API (source: Ollama API reference, chat, embed, tags)."""

from collections.abc import Mapping
from typing import Any

from . import generator, openai
from .api_request import ApiRequest
from .generator import INPUT_TOKENS, OUTPUT_TOKENS
from .http_response import Response, json_response, to_json

CREATED = "2023-11-14T22:13:20Z"
COUNTS = {
    "done_reason": "stop",
    "total_duration": 1_000_000,  # nanoseconds
    "load_duration": 0,
    "prompt_eval_count": INPUT_TOKENS,
    "prompt_eval_duration": 500_000,
    "eval_count": OUTPUT_TOKENS,
    "eval_duration": 500_000,
}

key = openai.key


def unauthorized(headers: Mapping[bytes, bytes]) -> Response:
    return error(401, "unauthorized")


def error(status: int, message: str) -> Response:
    return json_response({"error": message}, status)


def chat(request: ApiRequest) -> Response:
    """Stream unless ``stream`` is false, as Ollama does."""
    messages: Any = request.body.get("messages")
    tools: Any = request.body.get("tools")
    last: dict[str, Any] = {"role": "assistant", "content": ""}
    if generator.wants_tool(tools, messages):
        function = tools[0]["function"]
        arguments = generator.example_arguments(function.get("parameters"))
        call = {"function": {"name": function["name"], "arguments": arguments}}
        parts, last = [], {**last, "tool_calls": [call]}
    else:
        parts = request.split(request.reply_to(messages))
    common = {"model": request.model, "created_at": CREATED}
    if request.body.get("stream") is False:
        message = {**last, "content": "".join(parts)}
        return json_response({**common, "message": message, "done": True, **COUNTS})
    lines = [
        {**common, "message": {"role": "assistant", "content": part}, "done": False}
        for part in parts
    ]
    lines.append({**common, "message": last, "done": True, **COUNTS})
    return Response(
        headers=(("content-type", "application/x-ndjson"),),
        chunks=[b"%b\n" % to_json(line) for line in lines],
        pause=request.pause,
    )


def embed(request: ApiRequest) -> Response:
    texts = request.body["input"]
    count = len(texts) if isinstance(texts, list) else 1
    vectors = [generator.example_vector(request.body.get("dimensions"))] * count
    return json_response(
        {"model": request.model, "embeddings": vectors, "prompt_eval_count": INPUT_TOKENS}
    )


def tags(request: ApiRequest) -> Response:
    return json_response({"models": [{"name": name, "model": name} for name in generator.MODELS]})
