"""The Anthropic dialect (source: Anthropic API reference: messages, streaming messages, errors)."""

from collections.abc import Iterator, Mapping
from typing import Any

from gatewayproject.demo import speech
from gatewayproject.demo.answers import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    UNCACHED_TOKENS,
    Answer,
    dumps,
    json_answer,
)
from gatewayproject.demo.openai import bearer
from gatewayproject.demo.speech import Ask

IDENTIFIED = (("request-id", "req_made_up"),)
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


def refusal(headers: Mapping[bytes, bytes]) -> Answer:
    given = key(headers)
    return failure(401, f"invalid key: {given}" if given else "x-api-key header is required")


def failure(status: int, message: str) -> Answer:
    kind = ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    error = {"type": kind, "message": message}
    content = {"type": "error", "error": error, "request_id": "req_made_up"}
    return json_answer(content, status, IDENTIFIED)


def messages(ask: Ask) -> Answer:
    heard, tools = ask.said["messages"], ask.said.get("tools")
    calls_tool = speech.wants_tool(tools, heard)
    content = tool_use(tools) if calls_tool else {"type": "text", "text": ask.reply_to(heard)}
    reason = "tool_use" if calls_tool else "end_turn"
    if not (ask.said.get("stream") or ask.act == "streamRawPredict"):
        return json_answer(message(ask, [content], reason, USAGE), headers=IDENTIFIED)
    return Answer(
        headers=(("content-type", "text/event-stream; charset=utf-8"), *IDENTIFIED),
        chunks=[
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps(event))
            for event in events(ask, content, reason)
        ],
        pause=ask.pause,
    )


def events(ask: Ask, content: dict[str, Any], reason: str) -> Iterator[dict[str, Any]]:
    begun = message(ask, [], None, {**USAGE, "output_tokens": 1})
    yield {"type": "message_start", "message": begun}
    if content["type"] == "text":
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in ask.pieces(content["text"])]
    else:
        block = {**content, "input": {}}
        halves = speech.in_halves(dumps(content["input"]).decode())
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
    ask: Ask, content: list[dict[str, Any]], reason: str | None, usage: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": "msg_made_up",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def tool_use(tools: Any) -> dict[str, Any]:
    made_up = speech.made_up_arguments(tools[0].get("input_schema"))
    return {"type": "tool_use", "id": "toolu_made_up", "name": tools[0]["name"], "input": made_up}


def count_tokens(ask: Ask) -> Answer:
    return json_answer({"input_tokens": INPUT_TOKENS}, headers=IDENTIFIED)


def models(ask: Ask) -> Answer:
    data = [model_object(name) for name in speech.MODELS]
    ends = {"first_id": speech.MODELS[0], "last_id": speech.MODELS[-1]}
    return json_answer({"data": data, "has_more": False, **ends}, headers=IDENTIFIED)


def model(ask: Ask) -> Answer:
    return json_answer(model_object(ask.model), headers=IDENTIFIED)


def model_object(name: str) -> dict[str, Any]:
    created = "2025-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": created}
