"""Which addresses a request may go to: public ones, and those that the operator has allowed."""

import ipaddress
import socket
from collections.abc import Collection
from functools import lru_cache

import aiohttp
from aiohttp.abc import ResolveResult
from django.conf import settings

from apikeys.catalogue.origins import is_allowed_privately, is_public

from .upstream import PrivateAddress, Request

# Where a cloud tells its servers who they are. Only a request that asks for that may go there.
METADATA_SERVICE = "http://169.254.169.254"

_SCHEMES = ("https", "http")


class GuardedResolver(aiohttp.ThreadedResolver):
    """Looks names up and refuses private addresses; what was checked is what is dialled."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        allowed = settings.ALLOWED_PRIVATE_ORIGINS
        refuse_private(host, port, [item["host"] for item in found], allowed)
        return found


def check_address(host: str, port: int | None, request: Request) -> None:
    """Raise ``PrivateAddress`` where ``host`` is such an address: no resolver will see it."""
    if _is_address(host) and not _asks_for_identity(request):
        _refuse_private_address(host, port, tuple(settings.ALLOWED_PRIVATE_ORIGINS))


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _asks_for_identity(request: Request) -> bool:
    return request.asks_for_identity and request.url.startswith(f"{METADATA_SERVICE}/")


@lru_cache(maxsize=1024)
def _refuse_private_address(host: str, port: int | None, allowed: tuple[str, ...]) -> None:
    refuse_private(host, port, [host], allowed)


def refuse_private(
    host: str, port: int | None, addresses: Collection[str], allowed: Collection[str]
) -> None:
    """Raise ``PrivateAddress`` where one is not public and the operator has not allowed it."""
    if all(is_public(ipaddress.ip_address(address.partition("%")[0])) for address in addresses):
        return
    name = f"[{host}]" if ":" in host else host
    if not any(is_allowed_privately(f"{scheme}://{name}:{port}", allowed) for scheme in _SCHEMES):
        raise PrivateAddress(f"{host} is on a private network")
