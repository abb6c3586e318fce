"""Access tokens for a Google service account, or for this server's own Google identity."""

import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from endpoints.gateway.upstream import Upstream

from .credentials import Credentials
from .errors import CannotSign
from .libraries import in_thread, optional
from .rsa import read_key
from .token_service import UNSAID, ask, post, token_url
from .tokens import Obtained

ASSERTION_SECONDS = 3600  # the longest that Google takes
READ_SECONDS = 10
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def service_account(upstream: Upstream, credentials: Credentials) -> Obtained:
    """Source: RFC 7523, section 2.1; Google, "Using OAuth 2.0 for server to server applications".

    The token service is the scheme's; the one that the document names is not looked at.
    """
    assertion = _assertion(credentials, token_url(credentials))
    form = {"grant_type": _GRANT, "assertion": assertion}
    return await ask(upstream, post(credentials, form))


def _assertion(credentials: Credentials, audience: str) -> str:
    account = _read(credentials.need("vertex_credentials"))
    signer = read_key(account["private_key"], account.get("private_key_id"))
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": credentials.plan.token.get("scope", ""),
        "aud": audience,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    with optional("google-auth"):
        from google.auth import jwt
    return jwt.encode(signer, claims).decode()


def _read(document: str) -> dict[str, Any]:
    try:
        account = json.loads(document)
        if all(isinstance(account[name], str) for name in ("private_key", "client_email")):
            return account
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise CannotSign("The service account key is not the JSON file that Google made.") from None


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
    session.trust_env = False  # no proxy of the environment and no redirect, as everywhere here
    request = partial(Request(session), timeout=READ_SECONDS, allow_redirects=False)
    try:
        found, _ = google.auth.default(scopes=scopes, request=request)
        found.refresh(request)
    except exceptions.DefaultCredentialsError:
        raise CannotSign(
            "This server has no Google identity: no Application Default Credentials were found."
        ) from None
    except exceptions.TransportError:
        raise CannotSign("Google's token service could not be reached. Try again.") from None
    except (exceptions.GoogleAuthError, OSError, ValueError):
        raise CannotSign("Google issued no token for this server's identity.") from None
    return Obtained(found.token, _seconds_left(found.expiry))


def _seconds_left(expiry: datetime | None) -> float:
    """google-auth keeps times in UTC without saying so."""
    if expiry is None:
        return UNSAID
    return max(0, (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())
