"""The Google dialect (source: Gemini API and Vertex AI references, google.rpc.Status)."""

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
from gatewayproject.demo.openai import bearer
from gatewayproject.demo.speech import Ask

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
INVALID_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}


def key(headers: Mapping[bytes, bytes]) -> str | None:
    return headers.get(b"x-goog-api-key", b"").decode("latin-1") or bearer(headers)


def refusal(headers: Mapping[bytes, bytes]) -> Answer:
    """An API key that is not valid is a 400 to Google; a wrong token, or nothing, is a 401."""
    if b"x-goog-api-key" in headers:
        message = f"API key not valid. Please pass a valid API key. ({key(headers)})"
        return failure(400, message, details=[INVALID_KEY])
    if bearer(headers):
        return failure(401, "Request had invalid authentication credentials.")
    return failure(401, "Request is missing required authentication credential.")


def failure(status: int, message: str, **more: Any) -> Answer:
    kind = STATUSES.get(status, "UNKNOWN")
    error = {"code": status, "message": message, "status": kind, **more}
    return json_answer({"error": error}, status)


def generate(ask: Ask) -> Answer:
    contents, tools = ask.said["contents"], ask.said.get("tools")
    if speech.wants_tool(tools, contents):
        parts = [{"functionCall": function_call(tools)}]
    else:
        parts = [{"text": ask.reply_to(contents)}]
    if ask.act != "streamGenerateContent":
        return json_answer(candidate(ask, parts, OUTPUT_TOKENS, finish="STOP"))
    if "text" in parts[0]:
        parts = [{"text": piece} for piece in ask.pieces(parts[0]["text"])]
    told = [dumps(content) for content in stream(ask, parts)]
    if ask.query.get("alt") == "sse":
        chunks = [b"data: %b\r\n\r\n" % content for content in told]
        kind = "text/event-stream"
    else:
        chunks = [b"[" + told[0], *(b",\r\n" + content for content in told[1:]), b"]"]
        kind = "application/json; charset=UTF-8"
    return Answer(headers=(("content-type", kind),), chunks=chunks, pause=ask.pause)


def stream(ask: Ask, parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every chunk counts the tokens so far; only the last is the sum."""
    for at, part in enumerate(parts, start=1):
        if at < len(parts):
            yield candidate(ask, [part], min(at, OUTPUT_TOKENS))
        else:
            yield candidate(ask, [part], OUTPUT_TOKENS, finish="STOP")


def candidate(
    ask: Ask, parts: list[dict[str, Any]], tokens: int, finish: str | None = None
) -> dict[str, Any]:
    finished = {"finishReason": finish} if finish else {}
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, **finished, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": INPUT_TOKENS,
            "cachedContentTokenCount": CACHED_TOKENS,
            "candidatesTokenCount": tokens,
            "totalTokenCount": INPUT_TOKENS + tokens,
        },
        "modelVersion": ask.model,
        "responseId": "made-up",
    }


def function_call(tools: Any) -> dict[str, Any]:
    [declared, *_] = either(tools[0], "functionDeclarations", "function_declarations")
    in_json = either(declared, "parametersJsonSchema", "parameters_json_schema")
    made_up = speech.made_up_arguments(declared.get("parameters") or in_json)
    return {"name": declared["name"], "args": made_up}


def either(content: Mapping[str, Any], *names: str) -> Any:
    """Google takes a field by its JSON name or its protobuf name, and its SDK sends both kinds."""
    return next((content[name] for name in names if name in content), None)


def embed(ask: Ask) -> Answer:
    return json_answer({"embedding": {"values": vector(ask.said)}})


def embed_batch(ask: Ask) -> Answer:
    return json_answer(
        {"embeddings": [{"values": vector(request)} for request in ask.said["requests"]]}
    )


def vector(request: Mapping[str, Any]) -> list[float]:
    return speech.made_up_vector(request.get("outputDimensionality"))


def count_tokens(ask: Ask) -> Answer:
    return json_answer({"totalTokens": INPUT_TOKENS, "cachedContentTokenCount": CACHED_TOKENS})


def models(ask: Ask) -> Answer:
    return json_answer({"models": [model_object(name) for name in speech.MODELS]})


def model(ask: Ask) -> Answer:
    return json_answer(model_object(ask.model))


def model_object(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
