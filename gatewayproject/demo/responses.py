"""OpenAI's Responses API (source: OpenAI API reference, responses and their streaming events)."""

from collections.abc import Iterator
from typing import Any

from gatewayproject.demo.answers import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Answer,
    dumps,
    json_answer,
)
from gatewayproject.demo.openai import CREATED, IDENTIFIED, TOTAL_TOKENS, event_stream
from gatewayproject.demo.speech import Ask

ITEM = {"id": "msg_made_up", "type": "message", "role": "assistant"}
PLACE = {"item_id": ITEM["id"], "output_index": 0, "content_index": 0}
USAGE = {
    "input_tokens": INPUT_TOKENS,
    "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "output_tokens": OUTPUT_TOKENS,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": TOTAL_TOKENS,
}


def respond(ask: Ask) -> Answer:
    text = ask.reply_to(ask.said.get("input"))
    if not ask.said.get("stream"):
        return json_answer(response(ask, "completed", [item(text)]), headers=IDENTIFIED)
    told = enumerate(events(ask, text))
    return event_stream(
        ask,
        [
            b"event: %b\ndata: %b\n\n"
            % (event["type"].encode(), dumps({**event, "sequence_number": at}))
            for at, event in told
        ],
    )


def events(ask: Ask, text: str) -> Iterator[dict[str, Any]]:
    started = response(ask, "in_progress", [])
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    empty = {**ITEM, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
    yield {"type": "response.content_part.added", **PLACE, "part": part("")}
    pieces = ask.pieces(text)
    for piece in pieces:
        yield {"type": "response.output_text.delta", **PLACE, "delta": piece, "logprobs": []}
    said = "".join(pieces)
    yield {"type": "response.output_text.done", **PLACE, "text": said, "logprobs": []}
    yield {"type": "response.content_part.done", **PLACE, "part": part(said)}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item(said)}
    yield {"type": "response.completed", "response": response(ask, "completed", [item(said)])}


def response(ask: Ask, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "resp_made_up",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": ask.said.get("instructions"),
        "metadata": {},
        "model": ask.model,
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
