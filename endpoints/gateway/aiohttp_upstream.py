"""The client that talks to providers, made with aiohttp."""

import ssl
from collections.abc import AsyncIterator
from functools import lru_cache, partial

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from .addresses import GuardedResolver, check_address
from .upstream import Broken, PrivateAddress, Request, TimedOut, Unreachable

KEEP_ALIVE_SECONDS = 15  # shorter than any provider's, so that a connection is not lost in use
MAX_HEADER = 32 * 1024  # bytes of one line of an answer's head

_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError)
# What aiohttp adds where the caller sent none: then the provider gets none either.
_AUTOMATIC = ("accept", "content-type", "user-agent")

LONG = 512  # characters of a URL, which then is parsed each time: callers fill no memory
_url = lru_cache(maxsize=4096)(partial(URL, encoded=True))


class AiohttpAnswer:
    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.raw_headers

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except _BROKEN as error:
            raise Broken(type(error).__name__) from None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except _BROKEN as error:
            raise Broken(type(error).__name__) from None

    def close(self) -> None:
        if not self._response.content.at_eof():
            self._response.close()
        else:
            self._response.release()


class AiohttpUpstream:
    """aiohttp, with private addresses refused at the moment of dialling.

    Redirects are not followed, nothing is decompressed, no cookie is kept and proxies of the
    environment are ignored. The exceptions of aiohttp may hold headers: none of them gets out.
    """

    def __init__(self, connect_seconds: float) -> None:
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(),
            limit=0,
            ttl_dns_cache=10,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ssl=ssl.create_default_context(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds),
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        )

    async def send(self, request: Request) -> AiohttpAnswer:
        url = _url(request.url) if len(request.url) < LONG else URL(request.url, encoded=True)
        try:
            check_address(url.host or "", url.port, request)
            headers = CIMultiDict(request.headers)
            response = await self._session.request(
                request.method,
                url,
                headers=headers,
                skip_auto_headers=None if _is_complete(headers, request.body) else _AUTOMATIC,
                data=request.body or None,
                allow_redirects=False,
            )
        except PrivateAddress:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = TimedOut if _is_time_out(error) else Unreachable
            raise kind(type(error).__name__) from None
        return AiohttpAnswer(response)

    async def close(self) -> None:
        await self._session.close()


def _is_complete(headers: CIMultiDict[str], body: bytes) -> bool:
    """Whether aiohttp would add nothing of its own. To forbid it that costs some microseconds."""
    return (
        "user-agent" in headers and "accept" in headers and (not body or "content-type" in headers)
    )


def _is_time_out(error: Exception) -> bool:
    """Whether we gave up, or the operating system did."""
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    return isinstance(error, TimeoutError)
