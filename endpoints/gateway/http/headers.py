"""Which headers pass, which way, and which carry a gateway token."""

from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from apikeys.catalogue.headers import is_sendable

from .problems import Problem, Refusal

Raw = Iterable[tuple[bytes, bytes]]

# Source: RFC 9110, section 7.6.1, and the older proxies' own.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade".split()
)
# Where SDKs put the token; the first one wins.
_TOKENS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
# Between the client and the gateway, so not forwarded. Nor is what no request may contain.
_NOT_SENT_ON = (
    _HOP_BY_HOP
    | frozenset(
        b"content-length content-encoding origin referer "
        b"x-amz-date x-amz-security-token x-amz-content-sha256".split()
    )
    | frozenset(_TOKENS)
)
_NOT_SENT_ON_AT_ALL = (b"sec-", b"x-gatehouse-")
# Response headers that are not passed on: clients reach every provider under the gateway's origin,
# so browsers and caches would take them for the gateway's own. See docs/security.md.
_NOT_SENT_BACK = (
    _HOP_BY_HOP
    # Set by the server or the gateway itself.
    | frozenset(b"content-length date server via x-content-type-options".split())
    # Caches: a response belongs to one token.
    | frozenset(
        b"cache-control expires pragma age warning no-vary-search cache-tag edge-cache-tag "
        b"edge-control variants variant-key use-as-dictionary".split()
    )
    # State and policies that browsers keep for an origin, and places that they go or report to.
    | frozenset(
        b"set-cookie set-cookie2 clear-site-data strict-transport-security public-key-pins "
        b"expect-ct alt-svc set-login idp-signin-status service-worker-allowed accept-ch "
        b"critical-ch accept-ch-lifetime nel report-to reporting-endpoints location refresh "
        b"onion-location www-authenticate optional-www-authenticate authentication-info "
        b"authentication-control proxy-authentication-info activate-storage-access "
        b"observe-browsing-topics origin-trial shared-storage-write secure-session-registration "
        b"secure-session-challenge speculation-rules supports-loading-mode".split()
    )
    # How browsers treat a document, and which origins may read it.
    | frozenset(
        b"content-security-policy x-content-security-policy x-webkit-csp permissions-policy "
        b"feature-policy document-policy require-document-policy document-isolation-policy "
        b"integrity-policy origin-agent-cluster referrer-policy x-frame-options x-xss-protection "
        b"x-download-options x-ua-compatible x-permitted-cross-domain-policies "
        b"x-dns-prefetch-control timing-allow-origin sourcemap x-sourcemap".split()
    )
)
_NOT_SENT_BACK_AT_ALL = (
    b"access-control-",
    b"attribution-reporting-",
    b"cross-origin-",
    b"sec-",
    b"x-gatehouse-",
    # Orders to the server in front of us: nginx, Apache, LiteSpeed, Perlbal, Envoy, caches.
    b"x-accel-",
    b"x-archive-",
    b"x-sendfile",
    b"x-lighttpd-",
    b"x-litespeed-",
    b"x-reproxy-",
    b"x-envoy-",
    b"surrogate-",
)
# CDN-Cache-Control and its vendors' forms (RFC 9213) win over Cache-Control.
_ENDS_NOT_SENT_BACK = (b"-cache-control", b"-report-only")
# What the gateway reads from a response.
_READ_HERE = frozenset(
    b"content-type content-encoding content-length retry-after connection".split()
)
_CONTROLS = bytes([*range(9), *range(10, 32), 127])  # all but the tab: RFC 9110, section 5.5
MOST_DIGITS = 18  # of a length
MOST_KEPT = 200  # bytes of a header's name, or of what is remembered of a value; no SDK needs more
# What the counts can be read from; so nothing else is asked for.
_ENCODINGS = ("gzip", "deflate", "identity")


@dataclass(slots=True)
class RequestHeaders:
    """A client's headers, sorted."""

    token: str = ""
    dialect: str = "openai"  # according to the headers
    declared: int | None = None  # bytes of the body, if the client declares it
    coding: str = ""  # Content-Encoding: sent on only if the body is as it came
    sent_on: list[tuple[str, str]] = field(default_factory=list)


def length_in(value: bytes) -> int | None:
    """Return a Content-Length, or None if it is not a number. One without end is merely huge."""
    return int(value.lstrip(b"0")[:MOST_DIGITS] or b"0") if value.isdigit() else None


def sort_request_headers(headers: Raw) -> RequestHeaders:
    """Sort what the client sent. Raises ``Refusal`` if they cannot be forwarded unchanged."""
    sorted_headers = RequestHeaders()
    sent_on = sorted_headers.sent_on
    tokens: dict[bytes, str] = {}
    dropped: set[str] = set()
    encodings = "identity"
    try:
        for name, value in headers:
            passing = _passing_on(name) if len(name) < MOST_KEPT else ""
            if passing:
                sent_on.append((passing, value.decode()))
            elif name in _TOKENS:
                tokens.setdefault(name, value.decode("latin-1"))
            elif name == b"content-length":
                sorted_headers.declared = length_in(value) or 0
            elif name == b"accept-encoding":
                encodings = _known_encodings(value[:MOST_KEPT])
            elif name == b"content-encoding":
                sorted_headers.coding = _joined(sorted_headers.coding, value)
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise Refusal(Problem.UNKNOWN_TRANSFER_CODING)
            elif name == b"connection":
                dropped.update(_named(value))
    except UnicodeDecodeError:
        raise Refusal(Problem.BAD_HEADER, name=passing) from None
    if dropped:
        sent_on[:] = [item for item in sent_on if item[0] not in dropped]
    sent_on.append(("accept-encoding", encodings))
    scheme, _, bearer = tokens.get(b"authorization", "").strip().partition(" ")
    if bearer and scheme.lower() == "bearer":
        sorted_headers.token = bearer.strip()
    else:
        values = (tokens.get(name, "").strip() for name in _TOKENS[1:])
        sorted_headers.token = next(filter(None, values), "")
        if not sorted_headers.token and scheme.lower() == "basic":
            sorted_headers.token = _password(bearer)
    if b"x-goog-api-key" in tokens:
        sorted_headers.dialect = "google"
    elif b"x-api-key" in tokens or "anthropic-version" in dict(sent_on):
        sorted_headers.dialect = "anthropic"
    return sorted_headers


def _joined(given: str, value: bytes) -> str:
    text = value[:MOST_KEPT].decode("latin-1").strip()
    return f"{given}, {text}" if given else text


def _password(basic: str) -> str:
    """Return the password of HTTP Basic, where MLflow's clients have the token."""
    try:
        decoded = b64decode(basic.strip(), validate=True).decode("latin-1")
    except ValueError:
        return ""
    return decoded.partition(":")[2].strip()


@lru_cache(maxsize=1024)
def _passing_on(name: bytes) -> str:
    """Return the name of a header that is simply sent on, or ``""``.

    Servers that map headers to variables take ``x_api_key`` for ``x-api-key``.
    """
    if name in _NOT_SENT_ON or name == b"accept-encoding" or name.startswith(_NOT_SENT_ON_AT_ALL):
        return ""
    text = name.decode("latin-1")
    return text if is_sendable(text) and "_" not in text else ""


@lru_cache(maxsize=256)
def _known_encodings(value: bytes) -> str:
    offered = (part.strip() for part in value.decode("latin-1").lower().split(","))
    known = [part for part in offered if part.partition(";")[0].strip() in _ENCODINGS]
    return ", ".join(known) or "identity"


@lru_cache(maxsize=64)
def _named(connection: bytes) -> frozenset[str]:
    """Return the headers that a Connection header names, but for those that are never passed on."""
    names = (part.strip() for part in connection.decode("latin-1").lower().split(","))
    return frozenset(name for name in names if name.encode("latin-1") not in _HOP_BY_HOP)


@dataclass(slots=True)
class ResponseHeaders:
    """A provider's headers, sorted."""

    sent_back: list[tuple[bytes, bytes]] = field(default_factory=list)
    content_type: str = ""
    encoding: str = ""
    length: int | None = None
    retry_after: str = ""

    @property
    def is_plain_stream(self) -> bool:
        """Whether it is an event stream to which the gateway can add an event."""
        return self.content_type.startswith("text/event-stream") and not self.encoding


def sort_response_headers(
    headers: Sequence[tuple[bytes, bytes]], secrets: Sequence[bytes]
) -> ResponseHeaders:
    """Sort what the provider sent. Headers that repeat a secret are not sent back."""
    sorted_headers = ResponseHeaders()
    kept: list[tuple[bytes, bytes]] = []
    read: dict[bytes, bytes] = {}
    for name, value in headers:
        lower, passes, is_read = _passing_back(name[: MOST_KEPT + 1])
        if passes:
            kept.append((lower, value))
        if is_read:
            read[lower] = value if lower not in read else read[lower] + b", " + value
    if read:
        sorted_headers.content_type = read.get(b"content-type", b"").decode("latin-1").lower()
        sorted_headers.encoding = read.get(b"content-encoding", b"").decode("latin-1").lower()
        sorted_headers.length = length_in(read.get(b"content-length", b""))
        sorted_headers.retry_after = read.get(b"retry-after", b"").decode("latin-1")
        if b"connection" in read:
            dropped = _named(read[b"connection"])
            if dropped:
                kept = [item for item in kept if item[0].decode("latin-1") not in dropped]
    everything = b"\t".join(chain.from_iterable(kept))
    for secret in secrets:
        lower = secret.lower()  # as names are
        if secret in everything or lower in everything:
            kept = [item for item in kept if secret not in item[1] and lower not in item[0]]
    if everything.translate(None, _CONTROLS) != everything:  # the server would not send them
        kept = [item for item in kept if item[1].translate(None, _CONTROLS) == item[1]]
    sorted_headers.sent_back = kept
    return sorted_headers


@lru_cache(maxsize=1024)
def _passing_back(name: bytes) -> tuple[bytes, bool, bool]:
    """Return a header's lower-case name, whether it is sent back, and whether it is read here."""
    name = name.lower()
    passes = (
        len(name) <= MOST_KEPT
        and name not in _NOT_SENT_BACK
        and not name.startswith(_NOT_SENT_BACK_AT_ALL)
        and not name.endswith(_ENDS_NOT_SENT_BACK)
    )
    return name, passes, name in _READ_HERE
