"""OpenAI's Responses API (source: OpenAI API reference, responses and their streaming events)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from . import generator
from .api_request import ApiRequest
from .generator import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from .http_response import Response, json_response, to_json
from .openai import CREATED, REQUEST_ID, TOTAL_TOKENS, event_stream

ITEM = {"id": "msg_made_up", "type": "message", "role": "assistant"}
PLACE = {"item_id": ITEM["id"], "output_index": 0, "content_index": 0}
USAGE = {
    "input_tokens": INPUT_TOKENS,
    "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "output_tokens": OUTPUT_TOKENS,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": TOTAL_TOKENS,
}


def create_response(request: ApiRequest) -> Response:
    wanted, tools = request.body.get("input"), request.body.get("tools")
    functions = [tool for tool in tools or [] if tool.get("type") == "function"]
    if generator.wants_tool(functions, wanted):
        output, deltas = function_call(functions[0]), function_call_events(functions[0])
    else:
        text = request.reply_to(wanted)
        output, deltas = item(text), text_events(request.split(text))
    if not request.body.get("stream"):
        return json_response(response(request, "completed", [output]), headers=REQUEST_ID)
    chunks = [
        b"event: %b\ndata: %b\n\n"
        % (event["type"].encode(), to_json({**event, "sequence_number": number}))
        for number, event in enumerate(events(request, output, deltas))
    ]
    return event_stream(request, chunks)


def events(
    request: ApiRequest, output: dict[str, Any], deltas: Iterator[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    started = response(request, "in_progress", [])
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    yield from deltas
    yield {"type": "response.output_item.done", "output_index": 0, "item": output}
    yield {"type": "response.completed", "response": response(request, "completed", [output])}


def text_events(deltas: list[str]) -> Iterator[dict[str, Any]]:
    empty = {**ITEM, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
    yield {"type": "response.content_part.added", **PLACE, "part": part("")}
    for delta in deltas:
        yield {"type": "response.output_text.delta", **PLACE, "delta": delta, "logprobs": []}
    output = "".join(deltas)
    yield {"type": "response.output_text.done", **PLACE, "text": output, "logprobs": []}
    yield {"type": "response.content_part.done", **PLACE, "part": part(output)}


def function_call_events(tool: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    call = function_call(tool)
    place = {"item_id": call["id"], "output_index": 0}
    started = {**call, "arguments": "", "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": 0, "item": started}
    for half in generator.halves(call["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": half}
    done = {"name": call["name"], "arguments": call["arguments"]}
    yield {"type": "response.function_call_arguments.done", **place, **done}


def function_call(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": "fc_made_up",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_made_up",
        "name": tool["name"],
        "arguments": json.dumps(generator.example_arguments(tool.get("parameters"))),
    }


def response(request: ApiRequest, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "resp_made_up",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": request.body.get("instructions"),
        "metadata": {},
        "model": request.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": USAGE if status == "completed" else None,
    }


def item(text: str) -> dict[str, Any]:
    return {**ITEM, "status": "completed", "content": [part(text)]}


def part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
