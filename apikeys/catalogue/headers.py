"""Which headers may travel to a provider, wherever they come from."""

import re
from collections.abc import Sequence
from functools import lru_cache

EXTRA_HEADERS = "extra_headers"  # the one field whose value is headers, name and all

# Headers that frame a request, route it, or speak about a connection or a client of ours.
# Sources: RFC 9110, sections 7.2, 7.6, 8.6 and 10.1.1; RFC 9112; RFC 7239; RFC 6265; and what
# proxies and frameworks take a host, a path, a method or a client's address from.
_REFUSED = frozenset(
    "host content-length transfer-encoding connection keep-alive te trailer upgrade "
    "http2-settings expect via forwarded cookie cookie2 x-forwarded x-real-ip x-client-ip "
    "client-ip true-client-ip cf-connecting-ip cf-connecting-ipv6 fastly-client-ip "
    "x-cluster-client-ip x-originating-ip x-remote-ip x-remote-addr x-remote-user "
    "remote-addr remote-user x-appengine-user-ip x-azure-clientip x-azure-socketip x-host "
    "x-original-host x-original-url x-original-uri x-original-path x-original-method "
    "x-rewrite-url x-http-method x-http-method-override x-http-path-override "
    "x-method-override".split()
)
_REFUSED_BEGINNINGS = ("proxy-", "x-forwarded-", "x-envoy-")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2; no pseudo-header


class UnsendableHeader(ValueError):
    """A header that no request to a provider may have. The message names it, never its value."""


@lru_cache(maxsize=2048)
def is_sendable(name: str) -> bool:
    """Whether a header of this name may be sent.

    Servers that map headers to variables take ``content_length`` for ``content-length``.
    """
    plain = name.lower().replace("_", "-")
    return bool(
        _TOKEN.fullmatch(name)
        and plain not in _REFUSED
        and not plain.startswith(_REFUSED_BEGINNINGS)
    )


def check_sendable(headers: Sequence[tuple[str, str]]) -> None:
    """Raise ``UnsendableHeader`` unless each of these may be sent."""
    names = tuple([name for name, _ in headers])
    if refused := _first_refused(names):
        raise UnsendableHeader(f"it must not set the header {refused[0][:64]!r}")
    values = "\t".join([value for _, value in headers])
    if "\n" in values or "\r" in values or "\0" in values:
        raise UnsendableHeader("a header contains a line break")


@lru_cache(maxsize=64)
def _first_refused(names: tuple[str, ...]) -> list[str]:
    """Return the first name that may not be sent, if any. Most requests have the same names."""
    return [name for name in names if not is_sendable(name)][:1]
