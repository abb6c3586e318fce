"""The OpenAI dialect, which Azure and most other providers speak too.

Source: OpenAI API reference (chat completion object and chunk object, completions, embeddings,
responses and their streaming events, models, error codes).
"""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from gatewayproject.demo import speech
from gatewayproject.demo.answers import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Answer,
    dumps,
    json_answer,
)
from gatewayproject.demo.speech import Ask

CREATED = 1_700_000_000
TOTAL_TOKENS = INPUT_TOKENS + OUTPUT_TOKENS
IDENTIFIED = (("x-request-id", "req_made_up"), ("openai-processing-ms", "1"))
USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": TOTAL_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
ERRORS = {  # status: (type, code)
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def key(headers: Mapping[bytes, bytes]) -> str | None:
    return bearer(headers) or headers.get(b"api-key", b"").decode("latin-1") or None


def bearer(headers: Mapping[bytes, bytes]) -> str | None:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip().decode("latin-1") or None if scheme.lower() == b"bearer" else None


def refusal(headers: Mapping[bytes, bytes]) -> Answer:
    given = key(headers)
    if given is None:
        return failure(401, "You didn't provide an API key.")
    return failure(401, f"Incorrect API key provided: {given}.")


def failure(status: int, message: str) -> Answer:
    kind, code = ERRORS.get(
        status, ("server_error" if status >= 500 else "invalid_request_error", None)
    )
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json_answer({"error": error}, status, IDENTIFIED)


def chat(ask: Ask) -> Answer:
    messages, tools = ask.said.get("messages"), ask.said.get("tools")
    calls_tool = speech.wants_tool(tools, messages)
    if ask.said.get("stream"):
        deltas = tool_deltas(tools) if calls_tool else text_deltas(ask, messages)
        finish = "tool_calls" if calls_tool else "stop"
        return events(ask, chat_chunks(ask, deltas, finish))
    message = {"role": "assistant", "content": None, "refusal": None}
    if calls_tool:
        message["tool_calls"] = [tool_call(tools)]
    else:
        message["content"] = ask.reply_to(messages)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "tool_calls" if calls_tool else "stop",
    }
    return whole(ask, "chat.completion", choices=[choice], usage=USAGE)


def text_deltas(ask: Ask, messages: Any) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "", "refusal": None}
    for piece in ask.pieces(ask.reply_to(messages)):
        yield {"content": piece}


def tool_deltas(tools: Any) -> Iterator[dict[str, Any]]:
    call = tool_call(tools)
    arguments, call["function"]["arguments"] = call["function"]["arguments"], ""
    yield {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call}]}
    for half in speech.in_halves(arguments):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": half}}]}


def tool_call(tools: Any) -> dict[str, Any]:
    function = tools[0]["function"]
    arguments = json.dumps(speech.made_up_arguments(function.get("parameters")))
    return {
        "id": "call_made_up",
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def chat_chunks(
    ask: Ask, deltas: Iterator[dict[str, Any]], finish: str
) -> Iterator[dict[str, Any]]:
    for delta in deltas:
        yield {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}]}


def completion(ask: Ask) -> Answer:
    """The older text completion, still served by many."""
    prompt = ask.said.get("prompt")
    text = ask.reply_to([prompt] if isinstance(prompt, str) else prompt)
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    if not ask.said.get("stream"):
        return whole(ask, "text_completion", choices=[choice], usage=USAGE)
    *early, last = ask.pieces(text)
    told = [{"choices": [{**choice, "text": piece, "finish_reason": None}]} for piece in early]
    return events(ask, iter([*told, {"choices": [{**choice, "text": last}]}]), "text_completion")


def whole(ask: Ask, kind: str, **content: Any) -> Answer:
    head = {"id": "chatcmpl-made-up", "object": kind, "created": CREATED, "model": ask.model}
    return json_answer({**head, **content}, headers=IDENTIFIED)


def events(
    ask: Ask, chunks: Iterator[dict[str, Any]], kind: str = "chat.completion.chunk"
) -> Answer:
    """With ``include_usage`` every chunk has a null usage, and one more without choices has it."""
    head = {"id": "chatcmpl-made-up", "object": kind, "created": CREATED, "model": ask.model}
    with_usage = bool((ask.said.get("stream_options") or {}).get("include_usage"))
    unknown = {"usage": None} if with_usage else {}
    told = [b"data: %b\n\n" % dumps({**head, **chunk, **unknown}) for chunk in chunks]
    if with_usage:
        told.append(b"data: %b\n\n" % dumps({**head, "choices": [], "usage": USAGE}))
    return event_stream(ask, [*told, b"data: [DONE]\n\n"])


def event_stream(ask: Ask, chunks: list[bytes]) -> Answer:
    headers = (("content-type", "text/event-stream; charset=utf-8"), *IDENTIFIED)
    return Answer(headers=headers, chunks=chunks, pause=ask.pause)


def embeddings(ask: Ask) -> Answer:
    given = ask.said["input"]
    count = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    vector = speech.made_up_vector(ask.said.get("dimensions"))
    if ask.said.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    data = [{"object": "embedding", "index": at, "embedding": vector} for at in range(count)]
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    content = {"object": "list", "data": data, "model": ask.model, "usage": usage}
    return json_answer(content, headers=IDENTIFIED)


def models(ask: Ask) -> Answer:
    return json_answer({"object": "list", "data": [model_object(name) for name in speech.MODELS]})


def model(ask: Ask) -> Answer:
    return json_answer(model_object(ask.model))


def model_object(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "imitation"}
