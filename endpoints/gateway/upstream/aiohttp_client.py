"""The client that talks to providers, made with aiohttp."""

import asyncio
import re
import select
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import cache, lru_cache, partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from django.conf import settings
from multidict import CIMultiDict
from yarl import URL

from apikeys.catalogue.headers import UnsendableHeader, check_sendable
from apikeys.catalogue.origins import has_dot_segments

from .addresses import GuardedResolver, check_address, is_allowed
from .client import NoPublicAddress, Request, ResponseBroken, TimedOut, Unreachable, Unsendable

# An idle connection is closed before the provider does: uvicorn and Node.js close it after 5 s.
KEEP_ALIVE_SECONDS = 4
LONGEST_KEEP_ALIVE = 60  # seconds, where the provider announces a time of its own
# In which a connection that the provider was just closing turns out to be closed. After that, the
# provider has worked on the request, and may bill it.
CLOSING_SECONDS = 2
MAX_HEADER = 32 * 1024  # bytes of one line of the response headers
MAX_FRAMING = 256 * 1024  # bytes of headers, trailers and the like, until more of the body comes
MAX_INTERIM = 20  # 1xx responses to one request
BUFFER = 32 * 1024  # bytes of a body that aiohttp keeps unread, in 4,000 chunks at most
AT_ONCE = 32 * 1024  # bytes that are received at once; uvloop's default is 256 KB
PIECE = 8 * 1024  # bytes parsed before those limits are checked again, about 4 ms of 1xx responses

_KEEP_ALIVE = re.compile(r"(?:\A|[\s,;])timeout=(\d{1,4})", re.IGNORECASE)  # RFC 2068, 19.7.1.1
_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError)
# What aiohttp adds if the client sent none: then the provider gets none either.
_AUTOMATIC = ("accept", "content-type", "user-agent")

LONG = 512  # characters; a longer URL is not cached, so that clients cannot fill the memory


_needs_new_connection: ContextVar[bool] = ContextVar("needs_new_connection", default=False)


class ClosedWhenReused(aiohttp.ClientConnectionError):
    """A connection that had served before was closed at once, without a byte of the response."""


class Connection(ResponseHandler):
    """A connection that is closed when the provider sends data while no request is in flight, or
    1xx responses, headers, trailers or chunk extensions without end.

    aiohttp would give the former to the next request as its response (aio-libs/aiohttp#13656), and
    reads most of the latter until the request times out.
    """

    is_idle = False
    keep_alive: float = KEEP_ALIVE_SECONDS
    _poll: Any = None
    _requests = 0
    _sent_at = 0.0  # the request in flight
    _has_received = False  # anything since the request in flight
    _has_headers = False  # of the response proper
    _interim = 0  # 1xx responses
    _framing = 0  # bytes since more of the body came
    _body_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport.set_protocol(SmallReads(self))

    def set_response_params(self, **params: Any) -> None:
        self.is_idle = self._has_headers = self._has_received = False
        self._requests += 1
        self._sent_at = self._loop.time()
        self._interim = self._framing = self._body_size = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        if self.is_idle and data and self.transport is not None:
            self.transport.abort()
            return
        self._has_received = True
        start = 0
        while not self._has_headers and len(data) - start > PIECE:
            if not self._parse(data[start : start + PIECE]):
                return
            start += PIECE
        self._parse(data[start:])

    def feed_data(self, data: Any, size: int = 0) -> None:
        """aiohttp calls this for each response that it has parsed."""
        if 100 <= data[0].code < 200:
            self._interim += 1
        else:
            self._has_headers = True
            announced = data[0].headers.get("Keep-Alive")
            if announced and (seconds := _KEEP_ALIVE.search(announced)):
                self.keep_alive = min(max(int(seconds[1]) - 1, 0), LONGEST_KEEP_ALIVE)
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        is_closed = isinstance(exc, aiohttp.ServerDisconnectedError | OSError)
        is_at_once = self._loop.time() - self._sent_at < CLOSING_SECONDS
        if is_closed and is_at_once and self._requests > 1 and not self._has_received:
            exc = ClosedWhenReused()
        super().set_exception(exc, *cause)

    def _parse(self, data: bytes) -> bool:
        """Return whether the connection is still good."""
        super().data_received(data)
        if self._exception is not None:  # not HTTP; aiohttp does not end the body
            if self._payload is not None and not self._payload.is_eof():
                self._payload.set_exception(aiohttp.ClientPayloadError())
            return False
        size = 0 if self._payload is None else self._payload.total_bytes
        if size != self._body_size:
            self._body_size, self._framing = size, 0
        else:
            self._framing += len(data)
        if self._framing <= MAX_FRAMING and self._interim <= MAX_INTERIM:
            return self.transport is not None and not self.transport.is_closing()
        if not self._has_headers:
            self.set_exception(HttpProcessingError(code=502, message="too many headers"))
        self._buffer.clear()
        if self.transport is not None:
            self.transport.abort()  # a body that is incomplete ends with an error
        return False

    def is_connected(self) -> bool:
        """aiohttp asks before it uses a connection again. What has arrived may not be read yet."""
        if not super().is_connected() or self.transport is None:
            return False
        if not self.is_idle:
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return not self._poll.poll(0)


class SmallReads(asyncio.BufferedProtocol):
    """Receives for a ``Connection``, so that little waits here for a client that does not read."""

    # All connections share it: between the two calls, nothing else runs in this thread.
    _thread = threading.local()

    def __init__(self, connection: Connection) -> None:
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]
        self._receive = connection.data_received
        if not hasattr(self._thread, "buffer"):
            self._thread.buffer = memoryview(bytearray(AT_ONCE))
        self._buffer: memoryview = self._thread.buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._receive(bytes(self._buffer[:nbytes]))


class Connector(aiohttp.TCPConnector):
    """Keeps idle connections as long as the provider does.

    Uses private names of aiohttp, which has no public ones: ``_conns``, ``_factory``, ``_get`` and
    ``_release``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        make: Callable[..., ResponseHandler] = Connection
        self._factory = partial(make, loop=self._loop)

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        protocol.is_idle = True
        extra = protocol.keep_alive - KEEP_ALIVE_SECONDS
        if extra and (idle := self._conns.get(key)) and idle[-1][0] is protocol:
            idle[-1] = (protocol, idle[-1][1] + extra)  # the time from which aiohttp counts

    async def _get(self, key: Any, traces: Any) -> Any:
        return None if _needs_new_connection.get() else await super()._get(key, traces)


class AiohttpResponse:
    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.raw_headers

    async def chunks(self) -> AsyncIterator[bytes]:
        content, size = self._response.content, 0
        try:
            async for chunk in content.iter_any():
                size += len(chunk)
                yield chunk
                if content.total_bytes > size:  # parsed already, as after many small chunks
                    await asyncio.sleep(0)
        except _BROKEN as error:
            raise ResponseBroken(type(error).__name__) from None

    def close(self) -> None:
        if not self._response.content.at_eof():
            self._response.close()
        else:
            self._response.release()


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS settings of every client: reading the system's certificates takes 20 ms."""
    return ssl.create_default_context()


class AiohttpUpstream:
    """aiohttp, with private addresses refused when a connection is made.

    Redirects are not followed, nothing is decompressed, no cookie is kept and proxies of the
    environment are ignored. The exceptions of aiohttp may hold headers: none of them is passed on.
    """

    def __init__(self, connect_seconds: float) -> None:
        connector = Connector(
            resolver=GuardedResolver(connect_seconds),
            limit=0,
            ttl_dns_cache=10,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ssl=tls_context(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds),
            read_bufsize=BUFFER,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        )

    async def send(self, request: Request) -> AiohttpResponse:
        """Send ``request``, once more if the provider was just closing the connection. A body that
        arrives while it is sent cannot be sent again, so it has a new connection at once."""
        if isinstance(request.body, bytes):
            with suppress(ClosedWhenReused):
                return await self._send(request)
        reset = _needs_new_connection.set(True)
        try:
            return await self._send(request)
        finally:
            _needs_new_connection.reset(reset)

    async def _send(self, request: Request) -> AiohttpResponse:
        try:
            url = _kept_url(request.url) if len(request.url) < LONG else _url(request.url)
            check_sendable(request.headers)
            check_address(url.host or "", url.port, request)
            headers = CIMultiDict(request.headers)
            body = request.body
            if not isinstance(body, bytes) and body.length is not None:
                headers["content-length"] = str(body.length)
            response = await self._session.request(
                request.method,
                url,
                headers=headers,
                skip_auto_headers=None if _is_complete(headers, body) else _AUTOMATIC,
                data=body or None,
                allow_redirects=False,
            )
        except UnsendableHeader as error:
            raise Unsendable(str(error)) from None
        except ClosedWhenReused:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if not isinstance(request.body, bytes) and request.body.failure is not None:
                raise request.body.failure from None
            raise _unreachable(url, error) from None
        return AiohttpResponse(response)

    async def close(self) -> None:
        await self._session.close()


def _url(url: str) -> URL:
    """Parse a URL as it is spelled. Raises ``Unsendable``, and ``ValueError`` if it is not one."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Unsendable("its address contains a character not allowed in a URL")
    parsed = URL(url, encoded=True)
    if has_dot_segments(parsed.raw_path):
        raise Unsendable("its address has “.” or “..” in the path")
    return parsed


_kept_url = lru_cache(maxsize=4096)(_url)


def _is_complete(headers: CIMultiDict[str], body: object) -> bool:
    """Whether aiohttp would add nothing of its own. Preventing that costs some microseconds."""
    return (
        "user-agent" in headers and "accept" in headers and (not body or "content-type" in headers)
    )


def _unreachable(url: URL, error: Exception) -> Unreachable:
    """Translate an error of aiohttp, which is not shown, since it may contain headers."""
    host = url.host or ""
    match error:
        case aiohttp.ClientConnectorDNSError() if isinstance(error.os_error, TimeoutError):
            return TimedOut(host)
        case aiohttp.ClientConnectorDNSError():
            if is_allowed(host, url.port, settings.ALLOWED_PRIVATE_ORIGINS):
                return Unreachable(host, "name not found")
            return NoPublicAddress(host)
        case aiohttp.ClientConnectorCertificateError():
            return Unreachable(host, "invalid certificate")
        case aiohttp.ClientSSLError():
            return Unreachable(host, "TLS handshake failed")
        case aiohttp.ClientConnectorError():  # also if the operating system gave up
            return _unreachable(url, error.os_error)
        case TimeoutError():
            return TimedOut(host)
        case ConnectionRefusedError():
            return Unreachable(host, "connection refused")
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return Unreachable(host, "connection closed", was_connected=True)
        case aiohttp.ClientResponseError():
            return Unreachable(host, "the response is not valid HTTP", was_connected=True)
        case aiohttp.InvalidURL() | ValueError():
            return Unreachable(host, "the request could not be sent", was_connected=True)
    return Unreachable(host, "no connection")
