"""The actor of an audit event: who, through which channel, from which address."""

import getpass
import ipaddress
from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Actor:
    name: str
    channel: str  # "page", "admin", "command" or "gateway"
    address: str = ""
    user_id: int | None = None

    @classmethod
    def of(cls, request: HttpRequest, channel: str = "page") -> "Actor":
        """The signed-in user of ``request``."""
        return cls(
            name=request.user.get_username(),
            channel=channel,
            address=client_address(request),
            user_id=request.user.pk,
        )

    @classmethod
    def at_the_console(cls) -> "Actor":
        """The operating system user who runs a command on the server."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container without an entry for its user
            name = "unknown"
        return cls(name=name, channel="command")


def client_address(request: HttpRequest) -> str:
    """Return the client's address in its canonical form, or "" if there is none or it is invalid.

    Behind a proxy, uvicorn takes it from X-Forwarded-For without checking it (docs/operations.md).
    """
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
