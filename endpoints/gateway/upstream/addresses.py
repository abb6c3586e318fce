"""Which addresses a request may go to: public ones, and those that the operator has allowed."""

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

from apikeys.catalogue.origins import is_allowed_privately, is_public

from .client import NoPublicAddress, Request

logger = logging.getLogger(__name__)

# The metadata service of a cloud. Only requests for an identity may go there.
METADATA_SERVICE = "http://169.254.169.254"

MOST_LOOKUPS = 32  # at a time; aiohttp asks once for each name
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
_SCHEMES = ("https", "http")


class GuardedResolver(AbstractResolver):
    """Looks names up and refuses private addresses; the checked address is the one connected to.

    Each lookup has a thread of its own: uvloop's lookups share two threads with all new
    connections, so that two names without an answer would stop every one of them. A process can
    end while a lookup is under way.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds`` is how long a lookup may take."""
        self._seconds = seconds
        self._free = asyncio.Semaphore(MOST_LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises ``NoPublicAddress``, ``TimeoutError`` and ``socket.gaierror``."""
        async with asyncio.timeout(self._seconds):
            found = await self._look_up(host, port, family)
        addresses = [(str(address[0]), kind, proto) for kind, _, proto, _, address in found]
        refuse_private(
            host, port, [address for address, _, _ in addresses], settings.ALLOWED_PRIVATE_ORIGINS
        )
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=proto, flags=_NUMERIC
            )
            for address, kind, proto in addresses
        ]

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[Any]:
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()

        def look_up() -> None:
            result: list[Any] | OSError
            try:
                result = socket.getaddrinfo(
                    host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
                )
            except OSError as error:
                result = error
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(report, result)

        def report(result: list[Any] | OSError) -> None:
            self._free.release()
            if found.done():  # the waiting request has ended
                return
            if isinstance(result, OSError):
                found.set_exception(result)
            else:
                found.set_result(result)

        threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
        return await found

    async def close(self) -> None:
        pass


def check_address(host: str, port: int | None, request: Request) -> None:
    """Raise ``NoPublicAddress`` if ``host`` is such an address, since no resolver will see it."""
    is_identity = request.asks_for_identity and request.url.startswith(f"{METADATA_SERVICE}/")
    if _is_address(host) and not is_identity:
        _refuse_private_address(host, port, tuple(settings.ALLOWED_PRIVATE_ORIGINS))


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _refuse_private_address(host: str, port: int | None, allowed: tuple[str, ...]) -> None:
    refuse_private(host, port, [host], allowed)


def refuse_private(
    host: str, port: int | None, addresses: Collection[str], allowed: Collection[str]
) -> None:
    """Raise ``NoPublicAddress`` if one is not public and the operator has not allowed it."""
    if all(is_public(ipaddress.ip_address(address.partition("%")[0])) for address in addresses):
        return
    if not is_allowed(host, port, allowed):
        logger.info("%s:%s is private and not in ALLOWED_PRIVATE_ORIGINS.", host, port)
        raise NoPublicAddress(host)


def is_allowed(host: str, port: int | None, allowed: Collection[str]) -> bool:
    """Whether the operator allowed this host and port on a private network."""
    name = f"[{host}]" if ":" in host else host
    return any(is_allowed_privately(f"{scheme}://{name}:{port}", allowed) for scheme in _SCHEMES)
