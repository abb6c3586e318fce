"""What a request asks for, according to its method and path."""

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from apikeys.catalogue.origins import has_dot_segments
from endpoints.models.endpoint import ENDPOINT_NAME

from .apis import api_of
from .problems import Problem, Refusal

SEE_LIST = "GET /gateway/v1/models lists the endpoints that this token may use."
PREFIX = "/gateway/"
LIST = "models"
# Of a passthrough. TRACE would return the key to the client; CONNECT is for another kind of proxy.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MAX_PATH = 512  # characters of an operation
_ENDPOINT = re.compile(rf"{ENDPOINT_NAME}\Z")
_GOOGLE_CALL = re.compile(r"models/([^/:]+):([A-Za-z]{1,40})\Z")
_GOOGLE_VERSIONS = ("v1beta", "v1", "v1alpha")
_VERSION = re.compile(r"v\d+(?:alpha|beta)?\d*\Z")
_MLFLOW_ENDPOINTS = "2.0/endpoints"  # below api/; source: mlflow/deployments/server/constants.py


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the gateway."""

    dialect: str  # the client's: the form of errors, and the API that the provider must have
    operation: str = ""  # the path below the dialect's base URL; none for a native passthrough
    endpoint: str = ""  # none where the body, a header or the token names it
    path: str = ""  # a native passthrough's: the provider's own
    google_method: str = ""  # such as "generateContent"
    inserts_model: bool = False  # the body need not have a "model"
    is_open: bool = False  # not one of the common calls: any method, with or without a model
    api: str = ""  # of the dialect, as the catalogue names it; "" for one that it does not list
    version: str = ""  # of Google's API
    has_links: bool = False  # the response may have absolute URLs that an SDK follows

    @property
    def lists(self) -> bool:
        """Whether it asks which endpoints there are, or about one of them."""
        return self.operation == LIST

    @property
    def is_native(self) -> bool:
        return not self.operation and not self.google_method

    @property
    def is_for_a_model(self) -> bool:
        """Whether it is a plain call of the endpoint's model. The client chooses no other path."""
        known = self.operation in _OPERATIONS or self.operation == INVOCATIONS
        return known or bool(self.google_method)


# Those whose body names the endpoint as "model", with the dialect that they belong to.
_OPERATIONS = {
    operation: Call(dialect, operation, api=api_of(dialect, operation))
    for dialect, operation in (
        ("openai", "chat/completions"),
        ("openai", "completions"),
        ("openai", "embeddings"),
        ("openai", "responses"),
        ("anthropic", "messages"),
        ("anthropic", "messages/count_tokens"),
    )
}
CHAT, RESPONSES, INVOCATIONS = "chat/completions", "responses", "invocations"
# Reserved names of endpoints, so a path that begins with one of them lacks its "/v1".
BEGINNINGS = {operation.partition("/")[0] for operation in _OPERATIONS} | {LIST}


def parse_call(method: str, raw_path: bytes, native_dialect: str) -> Call:
    """Return what is asked for. Raises ``Refusal``.

    ``native_dialect`` is that of a passthrough or a list, which the path does not show.
    """
    try:
        path = raw_path.decode("ascii")
    except UnicodeDecodeError:
        raise Refusal(Problem.BAD_PATH, dialect="openai", part="path") from None
    rest = path.removeprefix(PREFIX)
    first, _, rest = (rest.lstrip("/") or rest).partition("/")
    match first:
        case "v1":
            return _unified(method, rest, native_dialect)
        case "openai" | "mlflow":
            return _openai(method, rest)
        case "anthropic":
            return _anthropic(method, rest)
        case "gemini":
            return _google(method, rest)
        case "v1beta" | "v1alpha":
            return _google(method, f"{first}/{rest}")
        case "endpoints" | "api":
            return _mlflow(method, first, rest)
        case _ if first in BEGINNINGS:
            return _unified(method, f"{first}/{rest}", native_dialect)
    return _native(method, first, rest, native_dialect)


def _unified(method: str, operation: str, native_dialect: str) -> Call:
    call = _OPERATIONS.get(operation)
    if call is not None:
        return _posted(method, call)
    if native_dialect == "google" and operation != LIST:
        return _google(method, f"v1/{operation}")
    operation = _tidied(operation, ("v1",))
    if _GOOGLE_CALL.match(unquote(operation)):
        return _google(method, f"v1/{operation}")
    dialect = native_dialect
    if operation.startswith("messages"):
        dialect = "anthropic"
    elif api_of("openai", operation) and not api_of(dialect, operation):
        dialect = "openai"
    return _operation(method, dialect, operation)


def _openai(method: str, rest: str) -> Call:
    version, _, operation = rest.partition("/")
    call = _OPERATIONS.get(operation)
    if version == "v1" and call is not None and call.dialect == "openai":
        return _posted(method, call)
    return _operation(method, "openai", _tidied(rest, ("v1",)))  # Azure's clients have no "v1"


def _anthropic(method: str, rest: str) -> Call:
    version, _, operation = rest.partition("/")
    call = _OPERATIONS.get(operation)
    if version == "v1" and call is not None and call.dialect == "anthropic":
        return _posted(method, call)
    return _operation(method, "anthropic", _tidied(rest, ("v1",)))


def _google(method: str, rest: str) -> Call:
    version, _, operation = rest.partition("/")
    found = _GOOGLE_CALL.match(unquote(operation))
    if found and version in _GOOGLE_VERSIONS:
        endpoint, google_method = found.groups()
        call = Call(
            "google",
            endpoint=endpoint,
            google_method=google_method,
            api="models",
            version=version,
        )
        return _posted(method, call)
    operation = _tidied(rest, _GOOGLE_VERSIONS)
    if _GOOGLE_CALL.match(unquote(operation)):
        return _google(method, f"v1beta/{operation}")
    if operation.startswith("openai/"):  # Google's own path of its OpenAI-compatible API
        return _openai(method, operation.removeprefix("openai/"))
    if operation.startswith("upload/"):
        if not is_safe_path(operation):
            raise Refusal(Problem.BAD_PATH, dialect="google", part="path")
        return _any_method(method, Call("google", path=operation, is_open=True))
    call = _operation(method, "google", operation)
    return replace(call, version=version if version in _GOOGLE_VERSIONS else "")


def _mlflow(method: str, first: str, rest: str) -> Call:
    """MLflow's deployment client, whose target is ``…/gateway``."""
    name, _, suffix = rest.partition("/")
    if first == "endpoints" and suffix == INVOCATIONS:
        return _native(method, name, "mlflow/invocations", "openai")
    if first == "api" and (rest + "/").startswith(_MLFLOW_ENDPOINTS + "/"):
        name = rest.removeprefix(_MLFLOW_ENDPOINTS).strip("/")
        return _listing(method, "mlflow", name)
    raise Refusal(Problem.UNKNOWN_PATH, dialect="openai")


def _operation(method: str, dialect: str, operation: str) -> Call:
    """Return a call that is not spelled like the common ones, or is none of them."""
    call = _OPERATIONS.get(operation)
    if call is not None and call.dialect == dialect:
        return _posted(method, call)
    first, _, name = operation.partition("/")
    if first == LIST and "/" not in name and ":" not in name:
        return _listing(method, dialect, unquote(name))
    if first == "deployments" and dialect == "openai":
        name, _, operation = name.partition("/")
        call = Call(
            "openai",
            operation,
            endpoint=unquote(name),
            inserts_model=True,
            is_open=operation not in _OPERATIONS,
            api=api_of("openai", operation),
        )
        if not call.is_open:
            return _posted(method, call)
    else:
        api, links = api_of(dialect, operation), _has_links(operation)
        call = Call(dialect, operation, is_open=True, api=api, has_links=links)
    is_unknown = first == LIST or _VERSION.match(first) or len(operation) > MAX_PATH
    if not call.operation or is_unknown or not is_safe_path(operation):
        raise Refusal(Problem.UNKNOWN_PATH, dialect=dialect)
    return _any_method(method, call)


def _native(method: str, endpoint: str, path: str, dialect: str) -> Call:
    if path == "mlflow/invocations":
        call = Call("openai", INVOCATIONS, endpoint=endpoint, inserts_model=True)
        return _posted(method, call)
    if not is_name(endpoint) or not is_safe_path(path):
        part = "path, which has an empty part (//)," if "//" in f"/{path}" else "path"
        raise Refusal(Problem.BAD_PATH, dialect=dialect, part=part)
    call = Call(dialect, endpoint=endpoint, path=path, has_links=_has_links(path))
    return _any_method(method, call)


def hint_for(call: Call) -> str:
    """Return what to do if a native ``call`` is for an endpoint that there is not."""
    operation = f"{call.endpoint}/{call.path}".rstrip("/")
    if api_of(call.dialect, operation):
        return f"If you mean the API of OpenAI, the path is /gateway/v1/{operation}."
    return SEE_LIST


def is_name(text: str) -> bool:
    """Whether an endpoint can have this name. No other string reaches the database."""
    return _ENDPOINT.match(text) is not None


def is_safe_path(path: str) -> bool:
    """Whether every reading of ``path`` stays below where it is put.

    Servers differ in how often they decode a path, so it is decoded until nothing changes.
    """
    if not path.isascii() or not path.isprintable() or " " in path:
        return False
    if has_dot_segments(path):
        return False
    while True:
        if "\\" in path or not path.isprintable() or "" in path.split("/")[:-1]:
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded


def _tidied(path: str, versions: tuple[str, ...]) -> str:
    """Return ``path`` without empty parts, and without versions at its beginning, which a client
    repeats if its base URL has one."""
    parts = [part for part in path.split("/") if part]
    while parts and parts[0] in versions:
        del parts[0]
    return "/".join(parts)


def _has_links(path: str) -> bool:
    """Whether the response may name the results of Anthropic's batches."""
    return "messages/batches" in path and not path.endswith("/results")


def _posted(method: str, call: Call) -> Call:
    if method != "POST":
        raise _wrong_method(call.dialect, "POST")
    return call


def _any_method(method: str, call: Call) -> Call:
    if method not in METHODS:
        raise _wrong_method(call.dialect, ", ".join(METHODS))
    return call


def _listing(method: str, dialect: str, name: str = "") -> Call:
    if method not in ("GET", "HEAD"):
        raise _wrong_method(dialect, "GET")
    return Call(dialect, LIST, endpoint=name)


def _wrong_method(dialect: str, methods: str) -> Refusal:
    headers = {"allow": methods}
    return Refusal(Problem.WRONG_METHOD, dialect=dialect, headers=headers, method=methods)
