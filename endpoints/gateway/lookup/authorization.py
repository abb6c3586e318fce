"""Authorization: a known token that is in force, for an endpoint that it may use."""

from datetime import UTC, datetime

from endpoints.gateway.http.paths import SEE_LIST
from endpoints.gateway.http.problems import Problem, Refusal

from .directory import Found


def check_token(found: Found | None) -> Found:
    """Return ``found``. Raises ``Refusal`` unless the token is known and, by the database's clock,
    in force."""
    if found is None:
        raise Refusal(Problem.UNKNOWN_TOKEN)
    if found.revoked:
        raise Refusal(Problem.TOKEN_REVOKED)
    if found.expires_at is not None and found.expires_at <= (found.now or datetime.now(UTC)):
        raise Refusal(Problem.TOKEN_EXPIRED)
    return found


def check_admission(found: Found | None, name: str, hint: str = SEE_LIST) -> Found:
    """Return ``found``. Raises ``Refusal`` unless the token may use the endpoint, and it is there
    and enabled. ``hint`` says what to do if there is none of that name."""
    found = check_token(found)
    if found.endpoint_id is None:
        raise Refusal(Problem.UNKNOWN_ENDPOINT, name=name[:80], hint=hint)
    if not found.allowed:
        raise Refusal(Problem.ENDPOINT_NOT_ALLOWED, name=name)
    if not found.enabled:
        raise Refusal(Problem.ENDPOINT_DISABLED, name=name)
    return found
