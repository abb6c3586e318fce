"""Asks a token service. What it answers is read, never repeated: it may echo the secret."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlencode

import msgspec

from apikeys.catalogue.origins import origin_of
from endpoints.gateway.upstream import Broken, Request, Unreachable, Upstream

from .credentials import Credentials
from .errors import CannotSign, Refused
from .tokens import Obtained

SECONDS = 15  # that a token service may take
MAX_ANSWER = 64 * 1024  # bytes
UNSAID = 300  # seconds: a token of which nothing is said, as RFC 6749, section 5.1, allows
LONGEST = 24 * 3600  # seconds that a token is kept, whatever is said

_OURS = [
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "gatehouse"),
]


class _Token(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(ge=0)] | None = None  # some write it as a string


_decode = msgspec.json.Decoder(_Token, strict=False).decode


def token_url(credentials: Credentials) -> str:
    """Return where the scheme gets its tokens: an origin that the credentials were sealed for."""
    url = credentials.plan.token.get("url", "")
    if not url or origin_of(url) not in credentials.plan.origins:
        raise CannotSign("These credentials were not sealed for a token service.")
    return url


def post(
    credentials: Credentials, form: Mapping[str, str], headers: Iterable[tuple[str, str]] = ()
) -> Request:
    """Return a request for a token, as RFC 6749, section 4, writes it."""
    kind = ("content-type", "application/x-www-form-urlencoded")
    return Request(
        "POST", token_url(credentials), [kind, *_OURS, *headers], urlencode(form).encode()
    )


async def ask(
    upstream: Upstream,
    request: Request,
    *,
    who: str = "The token service",
    what: str = "these credentials",
) -> Obtained:
    """Return the access token that is issued. Raises ``CannotSign``, in words of ours."""
    try:
        async with asyncio.timeout(SECONDS):
            status, body = await _answer(upstream, request)
    except (Unreachable, Broken) as error:
        raise CannotSign(f"{who} could not be reached ({error}). Try again.") from None
    except TimeoutError:
        raise CannotSign(f"{who} could not be reached in time. Try again.") from None
    if status in (400, 401):
        raise Refused(f"{who} refused {what} ({status}).", status)
    if status != 200:
        raise CannotSign(f"{who} answered {status} in place of a token. Try again.")
    try:
        token = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CannotSign(f"{who} answered with something that is no token.") from None
    seconds = UNSAID if token.expires_in is None else min(token.expires_in, LONGEST)
    return Obtained(token.access_token, seconds)


async def _answer(upstream: Upstream, request: Request) -> tuple[int, bytes]:
    answer = await upstream.send(request)
    try:
        body = b""
        async for chunk in answer.chunks():
            body += chunk
            if len(body) > MAX_ANSWER:
                raise Broken("too long an answer")
        return answer.status, body
    finally:
        answer.close()
