"""Why the gateway refuses a request: one table of codes, and the form each dialect expects."""

import json
import re
from collections.abc import Iterable, Mapping
from enum import Enum, unique
from types import MappingProxyType

# Error types of the dialects, by status. Sources: the API references of OpenAI and Anthropic under
# "Errors"; google.rpc.Code.
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    415: "invalid_request_error",
    426: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    424: "FAILED_PRECONDITION",
    426: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    431: "INVALID_ARGUMENT",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Native paths that belong to one API. Sources: Amazon Bedrock API reference, "Amazon Bedrock
# Runtime"; Google's "method: models.generateContent" and the like.
_BEDROCK_PATH = re.compile(
    r"model/[^/]+/(?:converse|converse-stream|invoke|invoke-with-response-stream)"
)
_GOOGLE_PATH = re.compile(r"/[^/:]+:[a-z][A-Za-z]+\Z")
_CLOSE = {"connection": "close"}
# Retrying cannot help. Source: OpenAI's and Anthropic's SDKs, ``_should_retry``.
HOPELESS = {"x-should-retry": "false"}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@unique
class Problem(Enum):
    """A status, a message with ``{facts}``, and headers. The code is the name in lower case.

    docs/gateway.md lists the codes.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        self.status, self.message = status, message
        is_hopeless = status < 500 and status not in (408, 409, 429)
        self.headers = {**(HOPELESS if is_hopeless else {}), **headers}

    @property
    def code(self) -> str:
        return self.name.lower()

    # The request cannot be sent to a provider
    NOT_JSON = 400, "The body is not a JSON object: {why}. Nothing was sent to the provider."
    NO_MODEL = (
        400,
        'Set "model" in the body to the name of an endpoint, once and in lower case.',
    )
    NO_ENDPOINT = (
        400,
        "This call names no model, and the token may use several endpoints. Use a token for one "
        "endpoint, send the header “x-gatehouse-endpoint: NAME”, or use the provider's own path "
        "below /gateway/NAME/.",
    )
    MIXED_BATCH = 400, "All requests of a batch must name the same endpoint as their model."
    WRONG_BODY = (
        400,
        "{found}, which is the body of another API. Send it to {path} instead. Nothing was sent to "
        "the provider.",
    )
    TOO_COMPLEX = 400, "The body has too many values, or they are nested too deeply."
    BAD_FORM = 400, "The body is not a valid form: {why}."
    BAD_BODY_ENCODING = (
        400,
        "The body cannot be decoded as {encoding}, its Content-Encoding. Nothing was sent to the "
        "provider.",
    )
    BAD_PATH = 400, "This {part} cannot be sent to a provider."
    # aiohttp writes every header as UTF-8, so other bytes would arrive as something else.
    BAD_HEADER = 400, "The header {name} is not UTF-8. Nothing was sent to the provider."
    DIALECT_NOT_SPOKEN = (
        400,
        "This endpoint's provider has no {api}-compatible API. Use {instead}, or the provider's "
        "own SDK with /gateway/<endpoint>/ as its base URL.",
    )
    OPERATION_NOT_SERVED = (
        400,
        "This endpoint's provider does not serve /v1/{path}, only {served}. Call an endpoint whose "
        "provider serves it.",
    )
    # The token
    NO_TOKEN = (
        401,
        "Send a gateway token, as in “Authorization: Bearer gh_…”. A key manager can create one "
        "under Gateway tokens.",
    )
    UNKNOWN_TOKEN = (
        401,
        "This gateway token is not valid. Check that you copied all of it.",
    )
    TOKEN_REVOKED = 401, "This gateway token was revoked. Ask a key manager for a new one."
    TOKEN_EXPIRED = 401, "This gateway token has expired. Ask a key manager for a new one."
    # The endpoint
    ENDPOINT_NOT_ALLOWED = (
        403,
        "This gateway token may not use the endpoint {name}. A key manager can allow it.",
    )
    ENDPOINT_DISABLED = 403, "The endpoint {name} is disabled. A key manager can enable it."
    UNKNOWN_ENDPOINT = (
        404,
        "There is no endpoint called {name!r}. {hint}",
    )
    UNKNOWN_PATH = (
        404,
        "The gateway does not have this path. See docs/gateway.md. For the provider's own API, put "
        "the endpoint's name first: /gateway/<endpoint>/…",
    )
    STORED_WITH_ANOTHER_KEY = (
        404,
        "This request refers to something that was created with an API key which this endpoint no "
        "longer uses. Create it again, or start a new conversation.",
    )
    # HTTP
    WRONG_METHOD = 405, "Use {method} for this path."
    BODY_TOO_SLOW = 408, "The body did not arrive in time.", {"retry-after": "1", **_CLOSE}
    BODY_TOO_LARGE = (
        413,
        "The body is larger than {megabytes} MB, the limit of this gateway.",
        _CLOSE,
    )
    UNSUPPORTED_BODY_ENCODING = (
        415,
        "This Content-Encoding of a request is not supported here. Use {accepted}. Nothing was "
        "sent to the provider.",
    )
    WEBSOCKET_NOT_SUPPORTED = (
        426,
        "Gatehouse does not support WebSocket. Use HTTP.",
        {"connection": "close, upgrade", "upgrade": "HTTP/1.1"},
    )
    TOKEN_BUFFER_FULL = (
        429,
        "This token has too much request data in flight. Wait for other requests to finish, and "
        "try again.",
        {"retry-after": "1", **_CLOSE},
    )
    TOO_MANY_HEADERS = 431, "Send at most {limit} headers.", _CLOSE
    UNKNOWN_TRANSFER_CODING = (
        501,
        "The only transfer coding of a request body is chunked. Nothing was sent to the provider.",
        {**HOPELESS, **_CLOSE},
    )
    # The gateway
    INTERNAL_ERROR = (
        500,
        "Internal error in the gateway. The server log has the details; please report it.",
    )
    DATABASE_AWAY = (
        503,
        "The gateway's database is not available. Try again.",
        {"retry-after": "2"},
    )
    GATEWAY_BUFFER_FULL = (
        503,
        "The gateway has too much request data in flight. Try again.",
        {"retry-after": "1", **_CLOSE},
    )
    # The key. Many clients retry any 5xx, whatever the headers say. Source of 424: RFC 4918, 11.4.
    NO_WORKING_KEY = 424, "{reason}"
    KEY_REFUSED = 424, "{refusal}"
    KEY_UNREADABLE = 424, "This endpoint's API key is unreadable. {why}"
    CANNOT_SIGN = 424, "{why}"
    TOKEN_SERVICE_UNAVAILABLE = 503, "{why}", {"retry-after": "1"}
    # What the provider's account or the key may do
    KEY_NOT_PERMITTED = (
        403,
        "The provider does not permit this endpoint's API key to make this call ({reply}). A key "
        "manager can check its permissions, models and region at the provider.",
    )
    OUT_OF_CREDIT = (
        403,
        "The provider's account has no credit or quota left ({reply}). A key manager can add some "
        "at the provider.",
    )
    LOCATION_NOT_SUPPORTED = (
        403,
        "The provider does not serve the location of this gateway ({reply}).",
    )
    BLOCKED_BY_FIREWALL = (
        403,
        "A firewall in front of the provider blocked this request ({reply}).",
    )
    # The provider
    PROVIDER_UNREACHABLE = 502, "{why} Try again.", {"retry-after": "1"}
    PROVIDER_BROKE_OFF = (
        502,
        "The provider closed the connection before the response was complete. Try again.",
        {"retry-after": "1"},
    )
    PROVIDER_REDIRECTED = (
        502,
        "The provider returned a redirect. Gatehouse does not follow redirects.",
        HOPELESS,
    )
    PROVIDER_ERROR_WITHHELD = (
        502,
        "The provider returned {status} and repeated credentials in its error, so the error is not "
        "shown.",
    )
    PROVIDER_NO_ANSWER = (
        502,
        "The provider's response had status 200, but no content. Try again.",
        {"retry-after": "1"},
    )
    PROVIDER_TIMEOUT = 504, "{why} Try again."
    PROVIDER_TIMEOUT_MAYBE_BILLED = (
        504,
        "The provider did not respond in time. It may have done the work and may bill it, so the "
        "request was not sent again.",
        HOPELESS,
    )


def error_shape(dialect: str, native_path: str, headers: Iterable[tuple[str, str]]) -> str:
    """Return whose errors a client reads, as far as its headers or its path show that.

    Only a native path says so: elsewhere the path determines the dialect.
    """
    if not native_path:
        return dialect
    for name, value in headers:
        if name == "amz-sdk-invocation-id" or (name == "user-agent" and value.startswith("Boto3/")):
            return "aws"
        if name == "x-goog-api-client":
            return "google"
        if name == "user-agent" and value.startswith(("ollama-python/", "ollama-js/")):
            return "ollama"
    if native_path.startswith("api/"):
        return "ollama"
    if _BEDROCK_PATH.fullmatch(native_path):
        return "aws"
    return "google" if _GOOGLE_PATH.search(native_path) else dialect


class Refusal(Exception):
    """Ends a request with ``problem``. ``facts`` fill its message."""

    def __init__(
        self,
        problem: Problem,
        *,
        dialect: str = "",
        headers: Mapping[str, str] = _NO_HEADERS,
        **facts: object,
    ) -> None:
        super().__init__(problem.code)
        self.status, self.code = problem.status, problem.code
        self.message = problem.message.format(**facts)
        self.headers = {**problem.headers, **headers}
        if "retry-after" in self.headers:
            self.headers["retry-after-ms"] = f"{self.headers['retry-after']}000"
        self.dialect = dialect  # if it is not that of the request

    def body(self, dialect: str, request_id: str) -> bytes:
        """Return the error as JSON, as an SDK of ``dialect`` expects it.

        Sources: as above; botocore's parsers, ``BaseJSONParser``; Ollama's API, "Errors".
        """
        error: dict[str, object]
        match dialect:
            case "anthropic":
                kind = _ANTHROPIC.get(self.status, "api_error")
                error = {"type": kind, "message": self.message, "code": self.code}
                document = {"type": "error", "error": error, "request_id": request_id}
            case "google":
                info = {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": self.code.upper(),
                    "domain": "gatehouse",
                }
                error = {
                    "code": self.status,
                    "message": self.message,
                    "status": _GOOGLE.get(self.status, "INTERNAL"),
                    "details": [info],
                }
                document = {"error": error}
            case "aws":
                document = {"message": self.message, "__type": self.code}
            case "ollama":
                document = {"error": self.message, "code": self.code}
            case _:
                # opencode repeats whatever says server_error, so no 4xx does.
                kind = "invalid_request_error" if self.status < 500 else "server_error"
                error = {"message": self.message, "type": kind, "param": None, "code": self.code}
                document = {"error": error}
        return json.dumps(document).encode()

    def event(self, dialect: str, request_id: str) -> bytes:
        """Return the error as the last event of an interrupted stream."""
        name = b"event: error\n" if dialect == "anthropic" else b""
        return name + b"data: " + self.body(dialect, request_id) + b"\n\n"
