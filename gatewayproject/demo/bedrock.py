"""Amazon Bedrock's Converse (source: Amazon Bedrock API reference, Converse, common errors)."""

import json
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from .api_request import ApiRequest
from .generator import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    UNCACHED_TOKENS,
    example_arguments,
    halves,
    wants_tool,
)
from .http_response import Response, json_response, to_json
from .openai import bearer

STRING = 7  # the type of a header's value
REQUEST_ID = (("x-amzn-requestid", "made-up"),)
USAGE = {
    "inputTokens": UNCACHED_TOKENS,
    "outputTokens": OUTPUT_TOKENS,
    "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "cacheReadInputTokens": CACHED_TOKENS,
    "cacheWriteInputTokens": 0,
}

ERRORS = {
    400: "ValidationException",
    403: "UnrecognizedClientException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def key(headers: Mapping[bytes, bytes]) -> str | None:
    """A Bedrock API key, or the access key ID that signed (the signature is not checked)."""
    signed = re.match(rb"AWS4-HMAC-SHA256 Credential=([^/]+)/", headers.get(b"authorization", b""))
    return signed[1].decode("latin-1") if signed else bearer(headers)


def unauthorized(headers: Mapping[bytes, bytes]) -> Response:
    given = key(headers)
    if given is None:
        return error(403, "Missing Authentication Token")
    return error(403, f"The security token included in the request is invalid: {given}")


def error(status: int, message: str) -> Response:
    kind = ERRORS.get(status, "InternalServerException")
    return json_response({"message": message}, status, (("x-amzn-errortype", kind),))


def converse(request: ApiRequest) -> Response:
    tool = wanted_tool(request)
    content: dict[str, Any]
    content = {"toolUse": tool} if tool else {"text": request.reply_to(request.body["messages"])}
    return json_response(
        {
            "output": {"message": {"role": "assistant", "content": [content]}},
            "stopReason": "tool_use" if tool else "end_turn",
            "usage": USAGE,
            "metrics": {"latencyMs": 1},
        },
        headers=REQUEST_ID,
    )


def converse_stream(request: ApiRequest) -> Response:
    tool = wanted_tool(request)
    deltas: list[dict[str, Any]]
    if tool:
        start = {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}
        deltas = [{"toolUse": {"input": half}} for half in halves(json.dumps(tool["input"]))]
    else:
        start = {}
        text = request.reply_to(request.body["messages"])
        deltas = [{"text": part} for part in request.split(text)]
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        *([("contentBlockStart", {"start": start, "contentBlockIndex": 0})] if start else []),
        *(("contentBlockDelta", {"delta": delta, "contentBlockIndex": 0}) for delta in deltas),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "tool_use" if tool else "end_turn"}),
        ("metadata", {"usage": {**USAGE, "serverToolUsage": {}}, "metrics": {"latencyMs": 1}}),
    ]
    return Response(
        headers=(("content-type", "application/vnd.amazon.eventstream"), *REQUEST_ID),
        chunks=[event(kind, content) for kind, content in events],
        pause=request.pause,
    )


def wanted_tool(request: ApiRequest) -> dict[str, Any] | None:
    tools: Any = (request.body.get("toolConfig") or {}).get("tools")
    if not wants_tool(tools, request.body["messages"]):
        return None
    spec = tools[0]["toolSpec"]
    arguments = example_arguments((spec.get("inputSchema") or {}).get("json"))
    return {"toolUseId": "tooluse_made_up", "name": spec["name"], "input": arguments}


def event(kind: str, content: Any) -> bytes:
    """Return one frame (source: Amazon's event stream encoding, smithy.io)."""
    headers = b"".join(
        struct.pack(f">B{len(name)}sBH", len(name), name, STRING, len(value)) + value
        for name, value in (
            (b":event-type", kind.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        )
    )
    payload = to_json(content)
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return frame + struct.pack(">I", zlib.crc32(frame))
