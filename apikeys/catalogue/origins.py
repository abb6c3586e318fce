"""Origins: scheme, host and port that a credential may be sent to."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?)*"
)
# Of IPv6, the only addresses that lead to hosts of the internet. All others are for one network or
# one machine, or hold an IPv4 address in an obsolete form.
# Sources: IANA IPv6 Address Space; RFC 6052, section 2.1.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # precede an IPv4 address: RFC 5214, section 6.1
# Public to the standard library, of some versions at least. Sources: Azure, "What is IP address
# 168.63.129.16?"; Oracle Cloud (192.0.0.192); IANA special-purpose registries; RFC 7526; RFC 9637.
_PLATFORM = tuple(
    map(
        ipaddress.ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "100.64.0.0/10", "3fff::/20"),
    )
)


def origin_of(url: str) -> str:
    """Return ``https://host:443`` for ``url``. Raises ``ValueError`` where there is none."""
    parts = urlsplit(url)
    port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    if not parts.hostname or not port:
        raise ValueError("not an http or https URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def origin_or_empty(url: str) -> str:
    """Return the origin of ``url``, or "" where there is none."""
    try:
        return origin_of(url)
    except ValueError:
        return ""


def has_dot_segments(path: str) -> bool:
    """Whether some reading of ``path`` leads out of where it is put.

    Servers differ in how often they decode a path, so it is decoded until nothing changes.
    """
    if "." not in path and "%" not in path:
        return False
    for _ in range(4):
        segments = re.split(r"[/\\]", path)
        if any(segment.partition(";")[0] in (".", "..") for segment in segments):
            return True
        decoded = unquote(path)
        if decoded == path:
            return False
        path = decoded
    return True


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
        return not is_public(ipaddress.ip_address(host))
    except ValueError:
        return "." not in host


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether everybody on the internet means the same host by ``address``.

    A cloud's own services for its servers are not public, whatever their address.
    """
    if any(address in network for network in _PLATFORM):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address in _NAT64:
        return is_public(_last_32_bits(address))
    if address.ipv4_mapped:
        return is_public(address.ipv4_mapped)
    if address.sixtofour and not is_public(address.sixtofour):
        return False
    if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP and not is_public(_last_32_bits(address)):
        return False
    return address.is_global and address in _GLOBAL_UNICAST


def _last_32_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


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
