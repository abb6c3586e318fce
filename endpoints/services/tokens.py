"""Create, edit, revoke and delete gateway tokens."""

import hashlib
import json
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from endpoints.models import Endpoint, GatewayToken
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.naming import unique_name

LONGEST_LIFETIME = timedelta(days=36_525)  # a hundred years; what lasts longer never expires
TRIAL_LIFETIME = timedelta(minutes=10)
TRIALS_KEPT = timedelta(days=1)  # after they expired

NO_ENDPOINT = "Choose at least one endpoint, or All endpoints."
MAX_NAMED = 3  # endpoints in an error

_COLUMNS = ("name", "all_endpoints", "expires_at")


def create_token(token: GatewayToken, endpoints: Collection[Endpoint], *, by: Actor) -> str:
    """Save a new token and return what its application presents, for the only time.

    Raises ``ValidationError``.
    """
    check_token(token, endpoints)
    token.created_by = by.name
    plaintext = token.generate()
    fields = ["name", "all_endpoints" if token.all_endpoints else "endpoints"]
    with unique_name(GatewayToken), transaction.atomic():
        _keep_from_going(endpoints)
        token.save(force_insert=True)
        token.endpoints.set(() if token.all_endpoints else endpoints)
        AuditEvent.record(by, "created", token, fields=[*fields, "expires_at"])
    return plaintext


def update_token(
    token: GatewayToken, endpoints: Collection[Endpoint], *, by: Actor, seen: str
) -> list[str]:
    """Save what differs, and return the names of what changed.

    ``seen`` is the digest of the token that the user saw. Raises ``Conflict`` if it has changed,
    and ``ValidationError``.
    """
    with unique_name(GatewayToken), transaction.atomic():
        stored = _locked(token)
        if digest_of_details(stored) != seen:
            raise Conflict
        check_token(token, endpoints, stored=stored)
        _keep_from_going(endpoints)
        changed = [name for name in _COLUMNS if getattr(token, name) != getattr(stored, name)]
        wanted = set() if token.all_endpoints else {endpoint.pk for endpoint in endpoints}
        if wanted != set(_endpoint_ids(stored)):
            token.endpoints.set(wanted)
            changed.append("endpoints")
        if changed:
            token.save(update_fields=[*_COLUMNS, "name_key"])
            AuditEvent.record(by, "edited", token, fields=changed)
    return changed


def revoke_token(token: GatewayToken, *, by: Actor) -> bool:
    """Refuse ``token`` from the next request on, for good. Returns False if it was revoked."""
    with transaction.atomic():
        stored = _locked(token)
        if stored.revoked_at is not None:
            return False
        stored.revoked_at = timezone.now()
        stored.save(update_fields=["revoked_at"])
        AuditEvent.record(by, "revoked", stored, fields=["revoked_at"])
    return True


def delete_token(token: GatewayToken, *, by: Actor) -> None:
    """Delete ``token``. Raises ``ValidationError`` while an application can still present it."""
    with transaction.atomic():
        stored = _locked(token)
        if stored.state() == GatewayToken.State.ACTIVE:
            raise ValidationError("This token is active. Revoke it before you delete it.")
        AuditEvent.record(by, "deleted", stored)
        stored.delete()


def issue_trial_token(
    endpoint: Endpoint, *, by: Actor, lifetime: timedelta = TRIAL_LIFETIME
) -> str:
    """Return a token that reaches ``endpoint`` and nothing else for a few minutes.

    The audit event is about the endpoint, since the token cannot be used elsewhere.
    """
    trials = GatewayToken.objects.filter(purpose=GatewayToken.Purpose.TRIAL)
    name = f"Try it: {endpoint.name[:30]} by {by.name[:20]} {secrets.token_hex(8)}"
    token = GatewayToken(
        name=name,
        purpose=GatewayToken.Purpose.TRIAL,
        expires_at=Now() + lifetime,  # the gateway compares it with the database's clock
        created_by=by.name,
    )
    plaintext = token.generate()
    with transaction.atomic():
        trials.filter(expires_at__lt=Now() - TRIALS_KEPT).delete()
        _keep_from_going([endpoint])
        token.save(force_insert=True)
        token.endpoints.set([endpoint])
        AuditEvent.record(by, "tried", endpoint)
    return plaintext


def check_token(
    token: GatewayToken, endpoints: Collection[Endpoint], *, stored: GatewayToken | None = None
) -> None:
    """Raise ``ValidationError`` with everything that keeps ``token`` from being saved."""
    errors: dict[str, list[Any]] = {}
    try:
        token.full_clean(validate_unique=False)
        token.validate_unique()  # a name that cannot be stored cannot be looked up either
    except ValidationError as error:
        errors = error.update_error_dict(errors)
    if not (token.all_endpoints or endpoints):
        errors["endpoints"] = [NO_ENDPOINT]
    if stored is not None and stored.revoked_at is not None:
        errors.setdefault(NON_FIELD_ERRORS, []).append(
            "This token is revoked. This cannot be undone."
        )
    is_expired = token.state() == GatewayToken.State.EXPIRED
    if stored is not None and token.expires_at != stored.expires_at and is_expired:
        errors["expires_at"] = ["Choose a time in the future. To end the token now, revoke it."]
    if errors:
        raise ValidationError(errors)


def digest_of_details(token: GatewayToken) -> str:
    """Return a digest of what a form shows of ``token``, so that saving notices a newer state."""
    details = [
        token.name,
        token.all_endpoints,
        str(token.expires_at),
        str(token.revoked_at),
        *_endpoint_ids(token),
    ]
    return hashlib.sha256(json.dumps(details).encode()).hexdigest()[:16]


def _endpoint_ids(token: GatewayToken) -> list[int]:
    return sorted(token.endpoints.order_by().values_list("pk", flat=True))


def _locked(token: GatewayToken) -> GatewayToken:
    stored = GatewayToken.objects.select_for_update().filter(pk=token.pk).first()
    if stored is None:
        raise Conflict
    return stored


def _keep_from_going(endpoints: Collection[Endpoint]) -> None:
    """Keep ``endpoints`` from being deleted now; refuse where one is gone already."""
    wanted = {endpoint.pk: endpoint.name for endpoint in endpoints}
    rows = Endpoint.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    gone = wanted.keys() - set(rows.values_list("pk", flat=True))
    if gone:
        names = ", ".join(sorted(wanted[pk] for pk in gone)[:MAX_NAMED])
        raise ValidationError({"endpoints": f"Already deleted: {names}."})
