"""Asking the gateway without an SDK, and reading what arrived at the provider."""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

from gatewayproject.demo.provider import Received

CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
HELLO = [{"role": "user", "content": "Is anybody there?"}]
# What is about one connection, and so differs with a gateway in between.
_OF_THE_CONNECTION = ("host", "connection", "accept-encoding")


@dataclass(frozen=True)
class Answered:
    """What a caller sees."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The gateway's stable code, in whichever dialect."""
        error = self.json()["error"]
        return error["details"][0]["reason"].lower() if "details" in error else error["code"]


def ask(
    gateway: str,
    path: str,
    body: bytes | object = b"",
    *,
    token: str = "",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    seconds: float = 30,
) -> Answered:
    """Send one request below ``/gateway`` exactly as given, and read the whole answer."""
    parts = urlsplit(gateway)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, parts.path + path, data or None, {**bearer, **(headers or {})})
        answer = connection.getresponse()
        seen = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, seen, answer.read())
    finally:
        connection.close()


def chat(
    gateway: str,
    token: str,
    endpoint: str = "search",
    *,
    stream: bool = False,
    **kwargs: Any,
) -> Answered:
    """Ask for a chat completion."""
    body = {"model": endpoint, "messages": HELLO, **({"stream": True} if stream else {})}
    return ask(gateway, "/v1/chat/completions", body, token=token, **kwargs)


def speak(gateway: str, sent: bytes, *, seconds: float = 10) -> bytes:
    """Write ``sent`` to the gateway's socket and return all that comes until it closes."""
    with dial(gateway) as caller:
        caller.settimeout(seconds)
        caller.sendall(sent)
        return read_to_the_end(caller)


def dial(gateway: str) -> socket.socket:
    parts = urlsplit(gateway)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def read_to_the_end(caller: socket.socket) -> bytes:
    """Return all that comes. A server that refuses a request may reset the connection after its
    response, while the rest of the request is on its way."""
    received = b""
    try:
        while part := caller.recv(65536):
            received += part
    except ConnectionResetError:
        if not received:
            raise
    return received


def written(
    path: str, token: str, body: bytes, *lines: str, method: str = "POST", close: bool = True
) -> bytes:
    """Return a request as bytes, with ``lines`` as further headers."""
    head = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        f"Content-Length: {len(body)}",
        *lines,
        *(["Connection: close"] if close else []),
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def credentials_in(request: Received) -> list[tuple[str, str]]:
    """Return every header of a request that could contain credentials."""
    pairs = [(name.lower(), value) for name, value in request.headers]
    return [pair for pair in pairs if pair[0] in CREDENTIALS]


def compared(request: Received) -> tuple[str, str, list[tuple[str, str]], bytes]:
    """Return all of a request but its credentials, in a form that can be compared."""
    pairs = [(name.lower(), value) for name, value in request.headers]
    apart = (*_OF_THE_CONNECTION, *CREDENTIALS)
    kept = sorted(pair for pair in pairs if pair[0] not in apart)
    return request.method, request.target, kept, request.body


def mentions(request: Received, text: str) -> bool:
    """Whether ``text`` occurs anywhere in a request."""
    return text in repr(request)


def eventually(is_so: Callable[[], Any], *, seconds: float = 30) -> Any:
    """Wait until ``is_so`` returns something true, and return it."""
    end = monotonic() + seconds
    while not (found := is_so()):
        assert monotonic() < end, "this did not happen in time"
        sleep(0.02)
    return found
