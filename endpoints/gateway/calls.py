"""What a request asks for, told by its method and path alone."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from .problems import Problem

PREFIX = "/gateway/"
LIST = "models"
# Of a passthrough. TRACE would show the caller the key, CONNECT is for another kind of proxy.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ENDPOINT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z")
_GOOGLE_CALL = re.compile(r"models/([^/:]+):([A-Za-z]{1,40})\Z")
_OPERATION = re.compile(r"[a-z][a-z_-]{0,39}(?:/[a-z][a-z_-]{0,39}){0,3}\Z")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the gateway."""

    dialect: str  # the caller's: how it is answered, and what the provider has to speak
    operation: str = ""  # the path below the dialect's base URL; none for a native passthrough
    endpoint: str = ""  # none where the body names it as "model"
    path: str = ""  # a native passthrough's: the provider's own
    google_method: str = ""  # such as "generateContent"
    inserts_model: bool = False  # the body need not have a "model"

    @property
    def lists(self) -> bool:
        """Whether it asks which endpoints there are."""
        return self.operation == LIST

    @property
    def is_native(self) -> bool:
        return not self.operation and not self.google_method


# Those whose body names the endpoint as "model", with the dialect that they belong to.
_OPERATIONS = {
    operation: Call(dialect, operation)
    for dialect, operation in (
        ("openai", "chat/completions"),
        ("openai", "completions"),
        ("openai", "embeddings"),
        ("openai", "responses"),
        ("anthropic", "messages"),
        ("anthropic", "messages/count_tokens"),
    )
}
UNKNOWN = Call("openai")  # before its path has been read


def parse_call(method: str, raw_path: bytes, native_dialect: str) -> Call:
    """Return what is asked for. Raises ``Problem``.

    ``native_dialect`` is how a passthrough or a list is answered, which its path does not tell.
    """
    try:
        path = raw_path.decode("ascii")
    except UnicodeDecodeError:
        raise _bad_path("openai") from None
    first, _, rest = path.removeprefix(PREFIX).partition("/")
    match first:
        case "v1":
            return _unified(method, rest, native_dialect)
        case "openai" | "mlflow":
            return _openai(method, rest)
        case "anthropic":
            return _anthropic(method, rest)
        case "gemini":
            return _google(method, rest)
    return _native(method, first, rest, native_dialect)


def _unified(method: str, operation: str, native_dialect: str) -> Call:
    if operation == LIST:
        return _listing(method, native_dialect)
    call = _OPERATIONS.get(operation)
    if call is None:
        raise _unknown_path("openai")
    return _posted(method, call)


def _openai(method: str, rest: str) -> Call:
    version, _, operation = rest.partition("/")
    if operation == LIST:
        return _listing(method, "openai")
    if version != "v1" or not _OPERATION.match(operation):
        raise _unknown_path("openai")
    return _posted(method, Call("openai", operation))


def _anthropic(method: str, rest: str) -> Call:
    operation = rest.removeprefix("v1/")
    if operation == LIST:
        return _listing(method, "anthropic")
    call = _OPERATIONS.get(operation, UNKNOWN)
    if not rest.startswith("v1/") or call.dialect != "anthropic":
        raise _unknown_path("anthropic")
    return _posted(method, call)


def _google(method: str, rest: str) -> Call:
    version, _, operation = rest.partition("/")
    if version not in ("v1beta", "v1"):
        raise _unknown_path("google")
    if operation == LIST:
        return _listing(method, "google")
    found = _GOOGLE_CALL.match(unquote(operation))
    if not found:
        raise _unknown_path("google")
    return _posted(method, Call("google", endpoint=found[1], google_method=found[2]))


def _native(method: str, endpoint: str, path: str, dialect: str) -> Call:
    if path == "mlflow/invocations":
        call = Call("openai", "invocations", endpoint=endpoint, inserts_model=True)
        return _posted(method, call)
    if not is_name(endpoint) or not is_safe_path(path):
        raise _bad_path(dialect)
    if method not in METHODS:
        raise _wrong_method(dialect, ", ".join(METHODS))
    return Call(dialect, endpoint=endpoint, path=path)


def is_name(text: str) -> bool:
    """Whether an endpoint can be called that. No other text gets as far as the database."""
    return _ENDPOINT.match(text) is not None


def is_safe_path(path: str) -> bool:
    """Whether every reading of ``path`` stays below where it is put.

    Servers differ in how often they decode a path, so it is decoded until nothing changes.
    """
    if not path.isascii() or not path.isprintable() or " " in path:
        return False
    for _ in range(4):
        segments = re.split(r"[/\\]", path)
        if any(segment.partition(";")[0] in (".", "..") for segment in segments):
            return False
        if "" in segments[:-1] or "\\" in path or not path.isprintable():
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False


def _posted(method: str, call: Call) -> Call:
    if method != "POST":
        raise _wrong_method(call.dialect, "POST")
    return call


def _listing(method: str, dialect: str) -> Call:
    if method not in ("GET", "HEAD"):
        raise _wrong_method(dialect, "GET")
    return Call(dialect, LIST)


def _problem(
    dialect: str, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Problem:
    """Return a problem in a dialect that is known before there is a call."""
    return Problem(status, code, message, headers or {}, dialect)


def _unknown_path(dialect: str) -> Problem:
    return _problem(
        dialect,
        404,
        "unknown_path",
        "The gateway has no such path. docs/gateway.md lists the ways in; for a path of the "
        "provider's own put the endpoint's name first: /gateway/<endpoint>/…",
    )


def _bad_path(dialect: str) -> Problem:
    return _problem(
        dialect, 400, "bad_path", "This path is not one that can be sent on to a provider."
    )


def _wrong_method(dialect: str, method: str) -> Problem:
    return _problem(dialect, 405, "wrong_method", f"Use {method} for this path.", {"allow": method})
