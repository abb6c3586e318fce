"""What the gateway says when it cannot serve a request, in the words of the caller's dialect."""

import json
from dataclasses import dataclass, field

# Error types of the dialects, by status. Sources: the API references of OpenAI and Anthropic under
# "Errors"; google.rpc.Code.
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
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
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass
class Problem(Exception):
    """A refusal: an HTTP status, a stable code, and a sentence that says what to do."""

    status: int
    code: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)
    dialect: str = ""  # where it is not that of the exchange's call

    def body(self, dialect: str, request_id: str) -> bytes:
        """Return the error as JSON, as an SDK of ``dialect`` expects it."""
        return json.dumps(self._as(dialect, request_id)).encode()

    def event(self, dialect: str, request_id: str) -> bytes:
        """Return the error as the last event of a stream that broke off, maybe within a line."""
        name = b"event: error\n" if dialect == "anthropic" else b""
        return b"\n\n" + name + b"data: " + self.body(dialect, request_id) + b"\n\n"

    def _as(self, dialect: str, request_id: str) -> dict[str, object]:
        if dialect == "anthropic":
            kind = _ANTHROPIC.get(self.status, "api_error")
            error = {"type": kind, "message": self.message, "code": self.code}
            return {"type": "error", "error": error, "request_id": request_id}
        if dialect == "google":
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": self.code.upper(),
                "domain": "gatehouse",
            }
            status = _GOOGLE.get(self.status, "INTERNAL")
            return {
                "error": {
                    "code": self.status,
                    "message": self.message,
                    "status": status,
                    "details": [info],
                }
            }
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        return {"error": error}
