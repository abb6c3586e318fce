"""Which headers pass, which way, and which carry a gateway token."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .problems import Problem

Raw = Iterable[tuple[bytes, bytes]]

# Source: RFC 9110, section 7.6.1, and the older proxies' own.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade".split()
)
# Where SDKs put the token; the order says which is believed.
_TOKENS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
# The caller's own business, or what a proxy in front of us knows: none of the provider's.
_NOT_SENT_ON = (
    _HOP_BY_HOP
    | frozenset(
        b"host content-length cookie cookie2 expect origin referer forwarded via x-real-ip "
        b"x-client-ip true-client-ip cf-connecting-ip x-original-url x-rewrite-url x-amz-date "
        b"x-amz-security-token x-amz-content-sha256 x-http-method-override".split()
    )
    | frozenset(_TOKENS)
)
_NOT_SENT_ON_AT_ALL = (b"x-forwarded-", b"sec-", b"x-gatehouse-")
# What a provider may tell of itself, but not of us: cookies, other origins, our connection.
_NOT_SENT_BACK = _HOP_BY_HOP | frozenset(
    b"content-length set-cookie set-cookie2 date server location refresh alt-svc via "
    b"strict-transport-security clear-site-data content-security-policy report-to nel "
    b"public-key-pins www-authenticate x-gatehouse-route x-gatehouse-request-id".split()
)
# Orders to the server in front of us: nginx, Apache, LiteSpeed, Perlbal, Envoy, caches.
_NOT_SENT_BACK_AT_ALL = (
    b"access-control-",
    b"x-accel-",
    b"x-sendfile",
    b"x-lighttpd-",
    b"x-litespeed-",
    b"x-reproxy-",
    b"x-envoy-",
    b"surrogate-",
)
# What we have to know of an answer ourselves.
_TELLING = frozenset(b"content-type content-encoding content-length retry-after connection".split())
_CONTROLS = bytes([*range(9), *range(10, 32), 127])  # all but the tab: RFC 9110, section 5.5
MOST_DIGITS = 18  # of a length
MOST_KEPT = 200  # bytes of a header's name, or of what is remembered of a value; no SDK needs more
# What the counts can be read from; so nothing else is asked for.
_ENCODINGS = ("gzip", "deflate", "identity")


@dataclass(slots=True)
class Incoming:
    """A caller's headers, sorted."""

    token: str = ""
    dialect: str = "openai"  # as far as headers tell
    declared: int | None = None  # bytes of the body, where the caller says
    sent_on: list[tuple[str, str]] = field(default_factory=list)


def length_in(value: bytes) -> int | None:
    """Return a Content-Length, or None where it is no number. One with no end is merely huge."""
    return int(value.lstrip(b"0")[:MOST_DIGITS] or b"0") if value.isdigit() else None


def sort_headers(headers: Raw) -> Incoming:
    """Take apart what the caller sent. Raises ``Problem`` where it cannot be sent on unharmed."""
    incoming = Incoming()
    sent_on = incoming.sent_on
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
                incoming.declared = length_in(value) or 0
            elif name == b"accept-encoding":
                encodings = _known_encodings(value[:MOST_KEPT])
            elif name == b"connection":
                dropped.update(_named(value))
    except UnicodeDecodeError:
        raise _bad_header(passing) from None
    if dropped:
        sent_on[:] = [item for item in sent_on if item[0] not in dropped]
    sent_on.append(("accept-encoding", encodings))
    incoming.token = _token_of(tokens)
    if b"x-goog-api-key" in tokens:
        incoming.dialect = "google"
    elif b"x-api-key" in tokens or "anthropic-version" in dict(sent_on):
        incoming.dialect = "anthropic"
    return incoming


@lru_cache(maxsize=1024)
def _passing_on(name: bytes) -> str:
    """Return the name of a header that is simply sent on, or ``""``."""
    if name in _NOT_SENT_ON or name == b"accept-encoding" or name.startswith(_NOT_SENT_ON_AT_ALL):
        return ""
    return name.decode("latin-1")


@lru_cache(maxsize=256)
def _known_encodings(value: bytes) -> str:
    offered = (part.strip() for part in value.decode("latin-1").lower().split(","))
    known = [part for part in offered if part.partition(";")[0].strip() in _ENCODINGS]
    return ", ".join(known) or "identity"


def _named(connection: bytes) -> list[str]:
    return [part.strip() for part in connection.decode("latin-1").lower().split(",")]


def _bad_header(name: str) -> Problem:
    """aiohttp writes every header as UTF-8, so other bytes would arrive as something else."""
    return Problem(400, "bad_header", f"The header {name} is not UTF-8. Nothing was sent on.")


def _token_of(tokens: Mapping[bytes, str]) -> str:
    scheme, _, value = tokens.get(b"authorization", "").strip().partition(" ")
    if value and scheme.lower() == "bearer":
        return value.strip()
    values = (tokens.get(name, "").strip() for name in _TOKENS[1:])
    return next(filter(None, values), "")


@dataclass(slots=True)
class Outgoing:
    """A provider's headers, sorted."""

    sent_back: list[tuple[bytes, bytes]] = field(default_factory=list)
    content_type: str = ""
    encoding: str = ""
    length: int | None = None
    retry_after: str = ""

    @property
    def is_plain_stream(self) -> bool:
        """Whether it is a stream of events that one of ours can be added to."""
        return self.content_type.startswith("text/event-stream") and not self.encoding


def sort_answer(headers: Sequence[tuple[bytes, bytes]], secrets: Sequence[bytes]) -> Outgoing:
    """Take apart what the provider sent. What repeats a secret is not sent back."""
    outgoing, kept, told = Outgoing(), [], {}
    for name, value in headers:
        lower, passes, tells = _passing_back(name[:MOST_KEPT])
        if passes:
            kept.append((lower, value))
        if tells:
            told[lower] = value if lower not in told else told[lower] + b", " + value
    if told:
        outgoing.content_type = told.get(b"content-type", b"").decode("latin-1").lower()
        outgoing.encoding = told.get(b"content-encoding", b"").decode("latin-1").lower()
        outgoing.length = length_in(told.get(b"content-length", b""))
        outgoing.retry_after = told.get(b"retry-after", b"").decode("latin-1")
        if b"connection" in told:
            dropped = _named(told[b"connection"])
            kept = [item for item in kept if item[0].decode("latin-1") not in dropped]
    everything = b"\t".join([value for _, value in kept])
    for secret in secrets:
        if secret in everything:
            kept = [item for item in kept if secret not in item[1]]
    if everything.translate(None, _CONTROLS) != everything:  # no server of ours would send them
        kept = [item for item in kept if item[1].translate(None, _CONTROLS) == item[1]]
    outgoing.sent_back = kept
    return outgoing


@lru_cache(maxsize=1024)
def _passing_back(name: bytes) -> tuple[bytes, bool, bool]:
    """Return a header's lower-case name, whether it is sent back, and whether it tells us."""
    name = name.lower()
    passes = name not in _NOT_SENT_BACK and not name.startswith(_NOT_SENT_BACK_AT_ALL)
    return name, passes, name in _TELLING
