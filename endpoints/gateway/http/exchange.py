"""One HTTP exchange with a client: what it asks for, and how it is answered."""

import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from .batch_body import BatchBody
from .bodies import Body, GoogleBody
from .body_reader import Receive, skip_rest
from .form_body import FormBody
from .headers import RequestHeaders
from .memory_limits import Share
from .paths import Call
from .problems import Refusal, error_shape
from .record import RequestRecord
from .uploads import Upload

# APIs of which providers keep nothing.
NOTHING_KEPT = frozenset({"chat", "completions", "embeddings", "messages", "count_tokens"})
# In the names of headers and of parts of the query with which a client names an account, or adds
# credentials of its own, such as OpenAI-Organization, userProject and access_token.
_OF_AN_ACCOUNT = re.compile(
    r"account|auth|organi[sz]ation|project|secret|signature|subscription|tenant|token|workspace"
    r"|(?<!idempotency-)key",
    re.IGNORECASE,
)
RawHeaders = Sequence[tuple[bytes, bytes]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_random_bits = random.Random().getrandbits  # noqa: S311 - names a request, and guards nothing
PIECE = 64 * 1024  # bytes written at once
# Every response: kept by no cache and changed by no proxy, and nothing that a browser would run.
PRIVATE_AND_INERT = (
    (b"cache-control", b"no-store, no-transform"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
)
BODILESS = (204, 304)  # have no body, and say nothing of its length: RFC 9110, section 8.6


# Bytes and uploads are sent as they are: those of a native path, or that name no model.
RequestBody = Body | GoogleBody | BatchBody | FormBody | Upload | bytes


@dataclass(slots=True)
class ClientRequest:
    """A client's request, read and parsed."""

    method: str
    query: bytes
    headers: RequestHeaders
    call: Call
    body: RequestBody
    memory: Share

    @property
    def names_no_model(self) -> bool:
        """Whether it is about what an earlier call has created, such as a file or a response."""
        return self.call.is_open and isinstance(self.body, (bytes, Upload))

    @property
    def names_account(self) -> bool:
        """Whether the provider may refuse what the client has added, and not the key."""
        query = unquote_plus(self.query.decode("latin-1")).split("&")
        names = [name for name, _ in self.headers.sent_on] + [
            part.partition("=")[0] for part in query
        ]
        return any(map(_OF_AN_ACCOUNT.search, names))

    @property
    def creates_objects(self) -> bool:
        """Whether the provider may keep something that later requests refer to."""
        return self.method == "POST" and self.call.api not in NOTHING_KEPT

    @property
    def is_spent(self) -> bool:
        """Whether a part of the body has been passed on, so that no other route can get it."""
        upload = self.body.upload if isinstance(self.body, FormBody) else self.body
        return isinstance(upload, Upload) and upload.is_begun


class Exchange:
    """The response to one request. ``dialect`` is that of the errors, unless a native path or
    the headers beside it show that the client reads others."""

    __slots__ = (
        "_receive",
        "_send",
        "client_headers",
        "dialect",
        "has_begun",
        "has_unread_body",
        "method",
        "native_path",
        "record",
        "request_id",
        "stale_seconds",
    )

    def __init__(
        self, method: str, receive: Receive, send: Send, *, dialect: str = "openai"
    ) -> None:
        self._receive, self._send = receive, send
        self.method, self.dialect = method, dialect
        self.native_path = ""  # of a passthrough
        self.client_headers: Sequence[tuple[str, str]] = ()
        self.request_id = f"req_{_random_bits(96):024x}"
        self.record: RequestRecord | None = None
        self.has_begun = False
        self.stale_seconds: int | None = None  # since the token and the endpoint were read
        # Whether more of a body may follow than is skipped on a connection that is kept.
        self.has_unread_body = method in ("POST", "PUT", "PATCH")

    async def begin(self, status: int, headers: RawHeaders) -> None:
        self.has_begun = True
        if self.record is not None:
            self.record.status, self.record.first_byte_at = status, time.time()
        ours = [(b"x-gatehouse-request-id", self.request_id.encode()), *PRIVATE_AND_INERT]
        if self.stale_seconds is not None:
            ours.append((b"x-gatehouse-stale", b"%d" % self.stale_seconds))
        start = {"type": "http.response.start", "status": status, "headers": [*headers, *ours]}
        await self._send(start)

    async def write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, chunk: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": chunk})

    async def respond(
        self, status: int, headers: RawHeaders, body: bytes, *, declared: int | None = None
    ) -> None:
        """Send a whole response; to HEAD the length that was ``declared`` for GET, if any."""
        if status in BODILESS:
            await self.begin(status, headers)
            await self.end()
            return
        length = len(body)
        if self.method == "HEAD":
            length, body = declared or length, b""
        await self.begin(status, [*headers, (b"content-length", b"%d" % length)])
        last = max(0, len(body) - 1) // PIECE * PIECE
        for start in range(0, last, PIECE):  # so a slow client has no more than this in its buffer
            await self.write(body[start : start + PIECE])
        await self.end(body[last:])

    async def refuse(self, refusal: Refusal, *, close: bool = False) -> None:
        """Send an error in the client's dialect, and maybe close the connection."""
        if self.record is not None:
            self.record.error = refusal.code
        shape = refusal.dialect or error_shape(self.dialect, self.native_path, self.client_headers)
        request_id = self.request_id.encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"x-request-id", request_id),  # where OpenAI's SDK reads it
            (b"request-id", request_id),  # where Anthropic's does
            *((name.encode(), text.encode()) for name, text in refusal.headers.items()),
        ]
        status, body = refusal.status, refusal.body(shape, self.request_id)
        if "connection" not in refusal.headers and close:
            headers.append((b"connection", b"close"))
        elif "connection" not in refusal.headers:
            await self.respond(status, headers, body)
            return
        await self.begin(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.write(body)
        await skip_rest(self._receive)
        await self.end()
