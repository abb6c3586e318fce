"""Who acts, through what, from where: the subject of every audit event."""

import getpass
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
        """The signed-in person behind ``request``."""
        return cls(
            name=request.user.get_username(),
            channel=channel,
            address=client_address(request),
            user_id=request.user.pk,
        )

    @classmethod
    def at_the_console(cls) -> "Actor":
        """The person who runs a command on the server."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container without an entry for its user
            name = "unknown"
        return cls(name=name, channel="command")


def client_address(request: HttpRequest) -> str:
    """Return the client's address. Behind a proxy uvicorn puts it there (docs/operations.md)."""
    return request.META.get("REMOTE_ADDR") or ""
