"""Asks a token service. Its responses are never shown: they may repeat the secret."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlencode, urlsplit

import msgspec

from apikeys.catalogue.origins import origin_of
from apikeys.sealing import Role
from endpoints.gateway.upstream.client import (
    OWN_HEADERS,
    Request,
    ResponseBroken,
    TimedOut,
    Unreachable,
    Upstream,
)

from .credentials import Credentials
from .errors import CannotSign, CredentialsRefused, TokenServiceUnavailable
from .tokens import Obtained

SECONDS = 15  # that a token service may take
MAX_RESPONSE = 64 * 1024  # bytes
DEFAULT_LIFETIME = 300  # seconds, without ``expires_in``: RFC 6749, section 5.1
LONGEST = 24 * 3600  # seconds that a token is kept at most


class _Token(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]+\Z")]
    expires_in: Annotated[int, msgspec.Meta(ge=0)] | None = None  # some write it as a string


_decode = msgspec.json.Decoder(_Token, strict=False).decode


def token_url(credentials: Credentials) -> str:
    """Return where the scheme gets its tokens: an origin that the credentials were sealed for."""
    url = credentials.plan.token.get("url", "")
    if not url or origin_of(url) != credentials.plan.origins.get(Role.TOKEN):
        raise CannotSign("These credentials were not encrypted for a token service.")
    return url


def post(
    credentials: Credentials, form: Mapping[str, str], headers: Iterable[tuple[str, str]] = ()
) -> Request:
    """Return a request for a token, as RFC 6749, section 4, writes it."""
    kind = ("content-type", "application/x-www-form-urlencoded")
    return Request(
        "POST", token_url(credentials), [kind, *OWN_HEADERS, *headers], urlencode(form).encode()
    )


async def ask(
    upstream: Upstream,
    request: Request,
    *,
    who: str = "The token service",
    what: str = "these credentials",
) -> Obtained:
    """Return the access token that is issued. Raises ``CannotSign``."""
    try:
        async with asyncio.timeout(SECONDS):
            status, body = await _send(upstream, request)
    except Unreachable as error:
        raise TokenServiceUnavailable(f"{error} Try again.") from None
    except ResponseBroken:
        raise TokenServiceUnavailable(f"{who} sent an incomplete response. Try again.") from None
    except TimeoutError:
        host = urlsplit(request.url).hostname or ""
        raise TokenServiceUnavailable(f"{TimedOut(host)} Try again.") from None
    if status in (400, 401):
        raise CredentialsRefused(f"{who} refused {what} ({status}).", status)
    if status in (408, 429) or status >= 500:
        raise TokenServiceUnavailable(f"{who} returned {status} instead of a token. Try again.")
    if status != 200:
        raise CannotSign(f"{who} returned {status} instead of a token.")
    try:
        token = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CannotSign(f"{who} sent an invalid token response.") from None
    seconds = DEFAULT_LIFETIME if token.expires_in is None else min(token.expires_in, LONGEST)
    return Obtained(token.access_token, seconds)


async def _send(upstream: Upstream, request: Request) -> tuple[int, bytes]:
    response = await upstream.send(request)
    try:
        body = b""
        async for chunk in response.chunks():
            body += chunk
            if len(body) > MAX_RESPONSE:
                raise ResponseBroken("the response is too long")
        return response.status, body
    finally:
        response.close()
