"""Who is let in: a token that is known and in force, to an endpoint that it may use."""

from datetime import UTC, datetime

from .directory import Found
from .problems import Problem

NO_TOKEN = Problem(
    401,
    "no_token",
    "Present a gateway token, as in “Authorization: Bearer gh_…”. A key manager creates tokens "
    "under Tokens.",
)
WRONG_TOKEN = "This gateway token is not known here. Check that it was copied as a whole."


def check_token(found: Found | None) -> Found:
    """Raise ``Problem`` unless the token is known and in force."""
    if found is None:
        raise Problem(401, "unknown_token", WRONG_TOKEN)
    if found.revoked:
        raise Problem(401, "token_revoked", "This gateway token was revoked. Ask for another one.")
    if found.expires_at is not None and found.expires_at <= datetime.now(UTC):
        raise Problem(401, "token_expired", "This gateway token has expired. Ask for another one.")
    return found


def check_admission(found: Found | None, name: str) -> None:
    """Raise ``Problem`` unless the token may use the endpoint, and it is there and enabled."""
    found = check_token(found)
    if found.endpoint_id is None:
        raise Problem(
            404,
            "unknown_endpoint",
            f"There is no endpoint called {name[:80]!r}. GET /gateway/v1/models lists those that "
            "this token may use.",
        )
    if not found.allowed:
        raise Problem(
            403,
            "endpoint_not_allowed",
            f"This gateway token may not use the endpoint {name}. A key manager can allow it.",
        )
    if not found.enabled:
        raise Problem(
            403,
            "endpoint_disabled",
            f"The endpoint {name} is disabled. A key manager can enable it.",
        )
