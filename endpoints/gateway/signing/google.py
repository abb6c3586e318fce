"""Access tokens for a Google service account, or for this server's own Google identity."""

import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from endpoints.gateway.upstream.client import Upstream

from .credentials import Credentials
from .errors import CannotSign, TokenServiceUnavailable
from .libraries import in_thread, optional
from .rsa import read_key
from .token_service import DEFAULT_LIFETIME, ask, post, token_url
from .tokens import Obtained

ASSERTION_SECONDS = 3600  # the longest that Google accepts
READ_SECONDS = 10
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def service_account(upstream: Upstream, credentials: Credentials) -> Obtained:
    """Source: RFC 7523, section 2.1; Google, "Using OAuth 2.0 for server to server applications".

    The token service is the scheme's; the one in the document is ignored.
    """
    account = _read(credentials.need("vertex_credentials"))
    signer = read_key(account["private_key"], account.get("private_key_id"))
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": credentials.plan.token.get("scope", ""),
        "aud": token_url(credentials),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    with optional("google-auth"):
        from google.auth import jwt
    assertion: bytes = jwt.encode(signer, claims)  # type: ignore[no-untyped-call]  # not annotated
    form = {"grant_type": _GRANT, "assertion": assertion.decode()}
    return await ask(upstream, post(credentials, form))


def _read(document: str) -> dict[str, Any]:
    try:
        account: dict[str, Any] = json.loads(document)
        if all(isinstance(account[name], str) for name in ("private_key", "client_email")):
            return account
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise CannotSign("The service account key is not a valid JSON file from Google.") from None


async def default(upstream: Upstream, credentials: Credentials) -> Obtained:
    """Source: Google, "How Application Default Credentials works"."""
    return await in_thread(_refresh_default, credentials.plan.token.get("scope", "").split())


def _refresh_default(scopes: list[str]) -> Obtained:
    with optional("google-auth[requests]"):
        import google.auth
        from google.auth import exceptions
        from google.auth.transport.requests import Request
        from requests import Session
    session = Session()
    session.trust_env = False  # no proxy of the environment and no redirects, as everywhere
    request = partial(Request(session), timeout=READ_SECONDS, allow_redirects=False)
    try:
        found, _ = google.auth.default(scopes=scopes, request=request)  # type: ignore[arg-type]  # a callable will do
        found.refresh(request)  # type: ignore[no-untyped-call]  # not annotated
    except exceptions.DefaultCredentialsError:
        raise CannotSign(
            "This server has no Google identity: no Application Default Credentials found."
        ) from None
    except exceptions.TransportError:
        raise TokenServiceUnavailable(
            "Could not reach Google's token service. Try again."
        ) from None
    except (exceptions.GoogleAuthError, OSError, ValueError):
        raise CannotSign("Google issued no token for this server's identity.") from None
    if found.expiry is None:
        return Obtained(found.token, DEFAULT_LIFETIME)
    left = found.expiry.replace(tzinfo=UTC) - datetime.now(UTC)  # google-auth has naive UTC times
    return Obtained(found.token, max(0, left.total_seconds()))
