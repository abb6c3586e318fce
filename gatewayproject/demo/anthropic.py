"""The Anthropic dialect (source: Anthropic API reference: messages, streaming messages, errors)."""

from collections.abc import Iterator, Mapping
from typing import Any

from . import generator
from .api_request import ApiRequest
from .generator import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, UNCACHED_TOKENS
from .http_response import Response, json_response, to_json
from .openai import bearer

REQUEST_ID = (("request-id", "req_made_up"),)
PROMPT_USAGE = {
    "input_tokens": UNCACHED_TOKENS,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": CACHED_TOKENS,
}
USAGE = {**PROMPT_USAGE, "output_tokens": OUTPUT_TOKENS, "service_tier": "standard"}
ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def key(headers: Mapping[bytes, bytes]) -> str | None:
    return headers.get(b"x-api-key", b"").decode("latin-1") or bearer(headers)


def unauthorized(headers: Mapping[bytes, bytes]) -> Response:
    given = key(headers)
    return error(401, f"invalid key: {given}" if given else "x-api-key header is required")


def error(status: int, message: str) -> Response:
    kind = ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    details = {"type": kind, "message": message}
    content = {"type": "error", "error": details, "request_id": "req_made_up"}
    return json_response(content, status, REQUEST_ID)


def messages(request: ApiRequest) -> Response:
    conversation, tools = request.body["messages"], request.body.get("tools")
    if generator.wants_tool(tools, conversation):
        content, reason = tool_use(tools), "tool_use"
    else:
        content, reason = {"type": "text", "text": request.reply_to(conversation)}, "end_turn"
    if not (request.body.get("stream") or request.operation == "streamRawPredict"):
        return json_response(message(request, [content], reason, USAGE), headers=REQUEST_ID)
    return Response(
        headers=(("content-type", "text/event-stream; charset=utf-8"), *REQUEST_ID),
        chunks=[
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), to_json(event))
            for event in events(request, content, reason)
        ],
        pause=request.pause,
    )


def events(request: ApiRequest, content: dict[str, Any], reason: str) -> Iterator[dict[str, Any]]:
    started = message(request, [], None, {**USAGE, "output_tokens": 1})
    yield {"type": "message_start", "message": started}
    if content["type"] == "text":
        block: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in request.split(content["text"])]
    else:
        block = {**content, "input": {}}
        halves = generator.halves(to_json(content["input"]).decode())
        deltas = [{"type": "input_json_delta", "partial_json": half} for half in ("", *halves)]
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": OUTPUT_TOKENS},
    }
    yield {"type": "message_stop"}


def message(
    request: ApiRequest, content: list[dict[str, Any]], reason: str | None, usage: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": "msg_made_up",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def tool_use(tools: Any) -> dict[str, Any]:
    arguments = generator.example_arguments(tools[0].get("input_schema"))
    return {"type": "tool_use", "id": "toolu_made_up", "name": tools[0]["name"], "input": arguments}


def count_tokens(request: ApiRequest) -> Response:
    return json_response({"input_tokens": INPUT_TOKENS}, headers=REQUEST_ID)


def models(request: ApiRequest) -> Response:
    data = [model_object(name) for name in generator.MODELS]
    ends = {"first_id": generator.MODELS[0], "last_id": generator.MODELS[-1]}
    return json_response({"data": data, "has_more": False, **ends}, headers=REQUEST_ID)


def model(request: ApiRequest) -> Response:
    return json_response(model_object(request.model), headers=REQUEST_ID)


def model_object(name: str) -> dict[str, Any]:
    created = "2025-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": created}
