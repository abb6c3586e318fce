"""The client that talks to providers.

Everything else in the gateway knows only ``Upstream`` and ``Answer``, so another client can take
aiohttp's place.
"""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from django.conf import settings
from multidict import CIMultiDict
from yarl import URL

from apikeys.catalogue.origins import is_allowed_privately, is_public

Headers = Sequence[tuple[bytes, bytes]]

KEEP_ALIVE_SECONDS = 15  # shorter than any provider's, so that a connection is not lost in use
MAX_HEADER = 32 * 1024  # bytes of one line of an answer's head
# Where a cloud tells its servers who they are. Only a request that asks for that may go there.
METADATA_SERVICE = "http://169.254.169.254"


_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError)


class Unreachable(Exception):
    """No answer came: the name, the connection or the answer's head failed."""


class TimedOut(Unreachable):
    """No connection came about in time."""


class Broken(Exception):
    """The answer broke off."""


class Refused(Unreachable):
    """The address is on a private network that the operator has not allowed."""


@dataclass(slots=True, repr=False)
class Request:
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    asks_for_identity: bool = False  # goes to METADATA_SERVICE, which is link-local


class Answer(Protocol):
    status: int
    headers: Headers

    async def read(self) -> bytes:
        """Return the whole body. Raises ``Broken``."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises ``Broken``."""
        ...

    def close(self) -> None:
        """Let go of it, whole or not."""
        ...


class Upstream(Protocol):
    async def send(self, request: Request) -> Answer:
        """Return the answer as soon as its head is there. Raises ``Unreachable``."""
        ...

    async def close(self) -> None: ...


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
            resolver=_GuardedResolver(),
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
        url = _url(request.url)
        try:
            if _is_address(url.host or "") and not _asks_for_identity(request):
                allowed = tuple(settings.ALLOWED_PRIVATE_ORIGINS)
                _check_address(url.host, url.port, allowed)
            headers = CIMultiDict(request.headers)
            response = await self._session.request(
                request.method,
                url,
                headers=headers,
                skip_auto_headers=None if _is_complete(headers, request.body) else _AUTOMATIC,
                data=request.body or None,
                allow_redirects=False,
            )
        except Refused:
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


class _GuardedResolver(aiohttp.ThreadedResolver):
    """Looks names up and refuses private addresses; what was checked is what is dialled."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        allowed = settings.ALLOWED_PRIVATE_ORIGINS
        refuse_private(host, port, [item["host"] for item in found], allowed)
        return found


@lru_cache(maxsize=1024)
def _check_address(host: str, port: int | None, allowed: tuple[str, ...]) -> None:
    refuse_private(host, port, [host], allowed)


def refuse_private(
    host: str, port: int | None, addresses: Collection[str], allowed: Collection[str]
) -> None:
    """Raise ``Refused`` where an address is not public and the operator has not allowed it."""
    if all(is_public(ipaddress.ip_address(address.partition("%")[0])) for address in addresses):
        return
    name = f"[{host}]" if ":" in host else host
    if not any(is_allowed_privately(f"{scheme}://{name}:{port}", allowed) for scheme in _SCHEMES):
        raise Refused(f"{host} is on a private network")


def _asks_for_identity(request: Request) -> bool:
    return request.asks_for_identity and request.url.startswith(f"{METADATA_SERVICE}/")


_url = lru_cache(maxsize=4096)(partial(URL, encoded=True))


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


_SCHEMES = ("https", "http")
# What aiohttp adds where the caller sent none: then the provider gets none either.
_AUTOMATIC = ("accept", "content-type", "user-agent")
