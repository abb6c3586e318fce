"""The OpenAI dialect, which Azure and most other providers support too.

Source: OpenAI API reference (chat completion object and chunk object, completions, embeddings,
responses and their streaming events, models, error codes).
"""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from . import generator
from .api_request import ApiRequest
from .generator import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from .http_response import Response, json_response, to_json

CREATED = 1_700_000_000
TOTAL_TOKENS = INPUT_TOKENS + OUTPUT_TOKENS
REQUEST_ID = (("x-request-id", "req_made_up"), ("openai-processing-ms", "1"))
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


def unauthorized(headers: Mapping[bytes, bytes]) -> Response:
    given = key(headers)
    if given is None:
        return error(401, "You didn't provide an API key.")
    return error(401, f"Incorrect API key provided: {given}.")


def error(status: int, message: str) -> Response:
    kind, code = ERRORS.get(
        status, ("server_error" if status >= 500 else "invalid_request_error", None)
    )
    details = {"message": message, "type": kind, "param": None, "code": code}
    return json_response({"error": details}, status, REQUEST_ID)


def chat(request: ApiRequest) -> Response:
    messages, tools = request.body.get("messages"), request.body.get("tools")
    calls_tool = generator.wants_tool(tools, messages)
    if request.body.get("stream"):
        deltas = tool_deltas(tools) if calls_tool else text_deltas(request, messages)
        finish = "tool_calls" if calls_tool else "stop"
        return events(request, chat_chunks(request, deltas, finish))
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if calls_tool:
        message["tool_calls"] = [tool_call(tools)]
    else:
        message["content"] = request.reply_to(messages)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "tool_calls" if calls_tool else "stop",
    }
    return complete(request, "chat.completion", choices=[choice], usage=USAGE)


def text_deltas(request: ApiRequest, messages: Any) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "", "refusal": None}
    for part in request.split(request.reply_to(messages)):
        yield {"content": part}


def tool_deltas(tools: Any) -> Iterator[dict[str, Any]]:
    call = tool_call(tools)
    arguments, call["function"]["arguments"] = call["function"]["arguments"], ""
    yield {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **call}]}
    for half in generator.halves(arguments):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": half}}]}


def tool_call(tools: Any) -> dict[str, Any]:
    function = tools[0]["function"]
    arguments = json.dumps(generator.example_arguments(function.get("parameters")))
    return {
        "id": "call_made_up",
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def chat_chunks(
    request: ApiRequest, deltas: Iterator[dict[str, Any]], finish: str
) -> Iterator[dict[str, Any]]:
    for delta in deltas:
        yield {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}]}


def completion(request: ApiRequest) -> Response:
    """The older text completion, which many providers still support."""
    prompt = request.body.get("prompt")
    text = request.reply_to([prompt] if isinstance(prompt, str) else prompt)
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}
    if not request.body.get("stream"):
        return complete(request, "text_completion", choices=[choice], usage=USAGE)
    *early, last = request.split(text)
    chunks = [{"choices": [{**choice, "text": part, "finish_reason": None}]} for part in early]
    chunks.append({"choices": [{**choice, "text": last}]})
    return events(request, iter(chunks), "text_completion")


def complete(request: ApiRequest, kind: str, **content: Any) -> Response:
    common = {"id": "chatcmpl-made-up", "object": kind, "created": CREATED, "model": request.model}
    return json_response({**common, **content}, headers=REQUEST_ID)


def events(
    request: ApiRequest, chunks: Iterator[dict[str, Any]], kind: str = "chat.completion.chunk"
) -> Response:
    """With ``include_usage``, usage is null in all chunks but an extra one without choices."""
    common = {"id": "chatcmpl-made-up", "object": kind, "created": CREATED, "model": request.model}
    with_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
    no_usage = {"usage": None} if with_usage else {}
    data = [b"data: %b\n\n" % to_json({**common, **chunk, **no_usage}) for chunk in chunks]
    if with_usage:
        data.append(b"data: %b\n\n" % to_json({**common, "choices": [], "usage": USAGE}))
    return event_stream(request, [*data, b"data: [DONE]\n\n"])


def event_stream(request: ApiRequest, chunks: list[bytes]) -> Response:
    headers = (("content-type", "text/event-stream; charset=utf-8"), *REQUEST_ID)
    return Response(headers=headers, chunks=chunks, pause=request.pause)


def embeddings(request: ApiRequest) -> Response:
    texts = request.body["input"]  # one text or its tokens, or a list of either
    count = len(texts) if isinstance(texts, list) and not isinstance(texts[0], int) else 1
    values = generator.example_vector(request.body.get("dimensions"))
    vector: list[float] | str = values
    if request.body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    content = {"object": "list", "data": data, "model": request.model, "usage": usage}
    return json_response(content, headers=REQUEST_ID)


def models(request: ApiRequest) -> Response:
    return json_response(
        {"object": "list", "data": [model_object(name) for name in generator.MODELS]}
    )


def model(request: ApiRequest) -> Response:
    return json_response(model_object(request.model))


def model_object(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulated"}
