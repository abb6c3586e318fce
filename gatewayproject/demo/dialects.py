"""Find the dialect and operation of a request, by its method and the end of its path."""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote

from . import anthropic, bedrock, google, ollama, openai, openai_responses
from .api_request import ApiRequest
from .http_response import Response, json_response


class Dialect(Protocol):
    """What the module of each dialect has, besides its operations."""

    def key(self, headers: Mapping[bytes, bytes], /) -> str | None: ...
    def unauthorized(self, headers: Mapping[bytes, bytes], /) -> Response: ...
    def error(self, status: int, message: str, /) -> Response: ...


class Interpretation(NamedTuple):
    """The dialect and model of a request, and the response if the provider works normally."""

    dialect: Dialect | None
    model: str
    response: Response


class Operation(NamedTuple):
    method: str
    path: re.Pattern[str]
    dialect: Dialect
    perform: Callable[[ApiRequest], Response]


def operation(
    method: str, path: str, dialect: Dialect, perform: Callable[[ApiRequest], Response]
) -> Operation:
    return Operation(method, re.compile(path), dialect, perform)


MODEL = r"/models/(?P<model>[^/:]+)"
DEPLOYMENT = r"(?:/deployments/(?P<model>[^/]+))?"
RAW_PREDICT = rf"{MODEL}:(?P<operation>rawPredict|streamRawPredict)$"
GENERATE = rf"{MODEL}:(?P<operation>(?:streamG|g)enerateContent)$"
OPERATIONS = [
    operation("POST", rf"{DEPLOYMENT}/chat/completions$", openai, openai.chat),
    operation("POST", rf"{DEPLOYMENT}/completions$", openai, openai.completion),
    operation("POST", rf"{DEPLOYMENT}/embeddings$", openai, openai.embeddings),
    operation("POST", r"/responses$", openai, openai_responses.create_response),
    operation("POST", r"/messages$", anthropic, anthropic.messages),
    operation("POST", r"/messages/count_tokens$", anthropic, anthropic.count_tokens),
    operation("POST", RAW_PREDICT, anthropic, anthropic.messages),
    operation("POST", GENERATE, google, google.generate),
    operation("POST", rf"{MODEL}:embedContent$", google, google.embed),
    operation("POST", rf"{MODEL}:batchEmbedContents$", google, google.embed_batch),
    operation("POST", rf"{MODEL}:countTokens$", google, google.count_tokens),
    operation("POST", r"/model/(?P<model>[^/]+)/converse$", bedrock, bedrock.converse),
    operation(
        "POST", r"/model/(?P<model>[^/]+)/converse-stream$", bedrock, bedrock.converse_stream
    ),
    operation("POST", r"/api/chat$", ollama, ollama.chat),
    operation("POST", r"/api/embed$", ollama, ollama.embed),
    operation("GET", r"/api/tags$", ollama, ollama.tags),
    operation("GET", r"/v1(?:beta|alpha)/models$", google, google.models),
    operation("GET", rf"/v1(?:beta|alpha){MODEL}$", google, google.model),
    operation("GET", r"/models$", openai, openai.models),
    operation("GET", rf"{MODEL}$", openai, openai.model),
]
MODELS_FOR = {"anthropic": anthropic, "google": google}  # by the headers of the client
NOT_FOUND = json_response({"error": {"message": "Unknown URL.", "code": "404"}}, 404)
INVALID = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)
MALFORMED = Response(status=400, body=b'{"error":{"message":"This is not HTTP."}}', close=True)


def interpret(
    method: str, target: str, body: bytes, *, client: str | None, pause: float
) -> Interpretation:
    """Parse a request. ``client`` tells apart dialects that list models under the same path."""
    path, _, query = target.partition("?")
    for known in OPERATIONS:
        if method == known.method and (match := known.path.search(path)):
            break
    else:
        return Interpretation(None, "", NOT_FOUND)
    dialect, perform = known.dialect, known.perform
    if client and method == "GET":
        dialect = MODELS_FOR[client]
        perform = getattr(dialect, perform.__name__)
    groups = match.groupdict()
    model = unquote(groups.get("model") or "")
    try:
        content = json.loads(body) if method == "POST" else {}
        model = model or str(content.get("model", ""))
        request = ApiRequest(
            path, groups.get("operation") or "", dict(parse_qsl(query)), content, model, pause=pause
        )
        # stream-<chunks>-<milliseconds>
        if stream := re.fullmatch(r"stream-(\d{1,4})-(\d{1,6})", model.rpartition("/")[2]):
            request = request._replace(chunks=max(1, int(stream[1])), pause=int(stream[2]) / 1000)
        response = perform(request)
    except INVALID as error:
        response = dialect.error(400, f"Invalid request: {error!r}")
    return Interpretation(dialect, model, response)
