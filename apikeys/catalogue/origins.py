"""Origins: scheme, host and port that a credential may be sent to."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?)*"
)


def origin_of(url: str) -> str:
    """Return ``https://host:443`` for ``url``. Raises ``ValueError`` where there is none."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError("not an http or https URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def is_allowed_privately(url: str, allowed: Iterable[str]) -> bool:
    """Whether the operator named this origin; ``http://localhost:*`` means every port of it."""
    origin = origin_of(url)
    return any(
        origin.rpartition(":")[0] == entry.removesuffix(":*")
        if entry.endswith(":*")
        else origin == origin_of(entry)
        for entry in allowed
    )


def is_private_host(host: str) -> bool:
    """Whether ``host`` is, by its spelling, this machine or its own network.

    A public name may still resolve to a private address: that is checked where the call is made.
    """
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".home.arpa")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host


def is_proper_host(parts: SplitResult) -> bool:
    """Whether the host is a plain name or address; ``127.1`` and ``0x7f000001`` are neither."""
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        last_label = host.rstrip(".").rpartition(".")[2]
        return bool(_HOST_NAME.fullmatch(host.rstrip("."))) and not re.fullmatch(
            r"\d+|0x[0-9a-f]*", last_label
        )
    return True
