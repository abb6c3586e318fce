"""The Google dialect (source: Gemini API and Vertex AI references, google.rpc.Status)."""

from collections.abc import Iterator, Mapping
from typing import Any

from . import generator
from .api_request import ApiRequest
from .http_response import Response, json_response, to_json
from .openai import bearer

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


def unauthorized(headers: Mapping[bytes, bytes]) -> Response:
    """Google answers an invalid API key with 400, and an invalid or missing token with 401."""
    if b"x-goog-api-key" in headers:
        message = f"API key not valid. Please pass a valid API key. ({key(headers)})"
        return error(400, message, details=[INVALID_KEY])
    if bearer(headers):
        return error(401, "Request had invalid authentication credentials.")
    return error(401, "Request is missing required authentication credential.")


def error(status: int, message: str, **more: Any) -> Response:
    kind = STATUSES.get(status, "UNKNOWN")
    details = {"code": status, "message": message, "status": kind, **more}
    return json_response({"error": details}, status)


def generate(request: ApiRequest) -> Response:
    prompt, tools = request.body["contents"], request.body.get("tools")
    parts: list[dict[str, Any]]
    if generator.wants_tool(tools, prompt):
        parts = [{"functionCall": function_call(tools)}]
    else:
        parts = [{"text": request.reply_to(prompt)}]
    if request.operation != "streamGenerateContent":
        return json_response(candidate(request, parts, generator.OUTPUT_TOKENS, finish="STOP"))
    if "text" in parts[0]:
        parts = [{"text": part} for part in request.split(parts[0]["text"])]
    contents = [to_json(content) for content in stream(request, parts)]
    if request.query.get("alt") == "sse":
        chunks = [b"data: %b\r\n\r\n" % content for content in contents]
        kind = "text/event-stream"
    else:
        chunks = [b"[" + contents[0], *(b",\r\n" + content for content in contents[1:]), b"]"]
        kind = "application/json; charset=UTF-8"
    return Response(headers=(("content-type", kind),), chunks=chunks, pause=request.pause)


def stream(request: ApiRequest, parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every chunk has the token count so far; only the last has the total."""
    for number, part in enumerate(parts, start=1):
        if number < len(parts):
            yield candidate(request, [part], min(number, generator.OUTPUT_TOKENS))
        else:
            yield candidate(request, [part], generator.OUTPUT_TOKENS, finish="STOP")


def candidate(
    request: ApiRequest, parts: list[dict[str, Any]], tokens: int, finish: str | None = None
) -> dict[str, Any]:
    finished = {"finishReason": finish} if finish else {}
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, **finished, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": generator.INPUT_TOKENS,
            "cachedContentTokenCount": generator.CACHED_TOKENS,
            "candidatesTokenCount": tokens,
            "totalTokenCount": generator.INPUT_TOKENS + tokens,
        },
        "modelVersion": request.model,
        "responseId": "made-up",
    }


def function_call(tools: Any) -> dict[str, Any]:
    [function, *_] = either(tools[0], "functionDeclarations", "function_declarations")
    schema = either(function, "parametersJsonSchema", "parameters_json_schema")
    arguments = generator.example_arguments(function.get("parameters") or schema)
    return {"name": function["name"], "args": arguments}


def either(content: Mapping[str, Any], *names: str) -> Any:
    """Google accepts the JSON name and the protobuf name of a field, and its SDK sends both."""
    return next((content[name] for name in names if name in content), None)


def embed(request: ApiRequest) -> Response:
    return json_response({"embedding": {"values": vector(request.body)}})


def embed_batch(request: ApiRequest) -> Response:
    return json_response(
        {"embeddings": [{"values": vector(body)} for body in request.body["requests"]]}
    )


def vector(body: Mapping[str, Any]) -> list[float]:
    return generator.example_vector(body.get("outputDimensionality"))


def count_tokens(request: ApiRequest) -> Response:
    return json_response(
        {"totalTokens": generator.INPUT_TOKENS, "cachedContentTokenCount": generator.CACHED_TOKENS}
    )


def models(request: ApiRequest) -> Response:
    return json_response({"models": [model_object(name) for name in generator.MODELS]})


def model(request: ApiRequest) -> Response:
    return json_response(model_object(request.model))


def model_object(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
