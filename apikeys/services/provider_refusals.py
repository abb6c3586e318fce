"""Record what a provider says about a key that the gateway used, and that it serves again.

However clients alternate, a state begins and ends once: it ends only when a request succeeds and
none was refused for ``QUIET``.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apikeys import credential_tests
from apikeys.catalogue.provider_errors import Cause
from apikeys.models import ApiKey, Restriction, Verdict
from apikeys.sealing import CannotOpen
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent

GATEWAY = Actor("gateway", channel="gateway")
QUIET = timedelta(minutes=5)
# Reasons that hold for every call of the API, also for that of a test: where this server is, and
# these codes in lower case. Not permissions for a model, missing models and credit: tests call no
# model.
OF_EVERY_CALL = (Cause.LOCATION, Cause.CHALLENGE)
CODES_OF_EVERY_CALL = frozenset(
    "ip_not_authorized api_key_ip_address_blocked api_key_service_blocked "
    "api_key_http_referrer_blocked service_disabled authenticationtypedisabled".split()
)


class Call(NamedTuple):
    """What a request asked of a key. Both are empty for whatever it asks: the account."""

    model: str = ""
    operation: str = ""


def mark_refused(api_key_id: UUID, *, version_id: UUID, status: int, code: str = "") -> bool:
    """Record that the provider does not recognize these credentials, and returned ``status``.

    Returns False if that was known already, or if other credentials are current by now.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = ApiKey.objects.filter(pk=api_key_id, current_id=version_id)
        if not rows.filter(refused_at=None).update(refused_at=now, refusal_seen_at=now):
            rows.update(refusal_seen_at=now)
            return False
        note = f"The provider returned {status}{f', {code}' if code else ''}."
        AuditEvent.record(GATEWAY, "refused by provider", rows.get(), note=note)
    return True


def mark_if_test_refuses(api_key_id: UUID, *, version_id: UUID) -> bool:
    """Test the credentials, if that is free, and record a refusal. Waits for the provider.

    Returns False if the test does not show that they are refused.
    """
    stored = ApiKey.objects.with_versions().filter(pk=api_key_id, current_id=version_id).first()
    if stored is None or stored.current is None:
        return False
    try:
        secrets = stored.current.open_for(stored, towards=stored.origins())
    except (CannotOpen, ValidationError):
        return False
    result = credential_tests.tester().test(stored, secrets)
    refused = result.outcome == Verdict.REFUSED
    return refused and mark_refused(
        api_key_id, version_id=version_id, status=result.status, code="when tested"
    )


def mark_accepted(api_key_id: UUID, *, version_id: UUID) -> bool:
    """Record that the provider accepts these credentials again. Returns False if it was known, or
    if they were refused just now as well."""
    with transaction.atomic():
        rows = ApiKey.objects.filter(pk=api_key_id, current_id=version_id, refused_at__isnull=False)
        quiet = Q(refused_at__lt=_quiet_since()) & ~Q(refusal_seen_at__gte=_quiet_since())
        if not rows.filter(quiet).update(refused_at=None, refusal_seen_at=None):
            return False
        AuditEvent.record(GATEWAY, "accepted again", ApiKey.objects.get(pk=api_key_id))
    return True


def mark_restricted(
    api_key_id: UUID, *, version_id: UUID, call: Call, cause: Cause, status: int, code: str = ""
) -> bool:
    """Record that the provider refuses ``call`` with these credentials, which are good.

    Returns False if that was known already, or if other credentials are current by now.
    """
    now = timezone.now()
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=api_key_id, current_id=version_id).update(restricted=True):
            return False
        restriction, is_new = Restriction.objects.get_or_create(
            version_id=version_id,
            **call._asdict(),
            defaults={
                "cause": cause,
                "status": status,
                "code": code,
                "since": now,
                "last_at": now,
            },
        )
        if not is_new:
            Restriction.objects.filter(pk=restriction.pk).update(last_at=now)
            return False
        api_key = ApiKey.objects.get(pk=api_key_id)
        AuditEvent.record(GATEWAY, "restricted by provider", api_key, note=f"{restriction}.")
    return True


def mark_served(api_key_id: UUID, *, version_id: UUID, call: Call) -> bool:
    """Record that the provider served ``call``: neither that nor the account is restricted.

    Returns False if nothing was known to be, or if it was refused just now as well.
    """
    with transaction.atomic():
        if not ApiKey.objects.lock(api_key_id):
            return False
        all_of_them = Restriction.objects.filter(version_id=version_id)
        lifted = list(
            all_of_them.filter(
                Q(**call._asdict()) | Q(**Call()._asdict()), last_at__lt=_quiet_since()
            )
        )
        if not lifted:
            return False
        _lift(lifted, api_key_id, version_id, by=GATEWAY)
    return True


def lift_what_test_disproves(api_key_id: UUID, *, version_id: UUID, by: Actor) -> None:
    """A test of these credentials passed at the API. Call it with the key locked."""
    lifted = [
        each
        for each in Restriction.objects.filter(version_id=version_id)
        if each.cause in OF_EVERY_CALL or each.code.lower() in CODES_OF_EVERY_CALL
    ]
    if lifted:
        _lift(lifted, api_key_id, version_id, by=by)


def _lift(lifted: Sequence[Restriction], api_key_id: UUID, version_id: UUID, *, by: Actor) -> None:
    all_of_them = Restriction.objects.filter(version_id=version_id)
    all_of_them.filter(pk__in=[each.pk for each in lifted]).delete()
    rows = ApiKey.objects.filter(pk=api_key_id, current_id=version_id)
    rows.update(restricted=all_of_them.exists())
    api_key = ApiKey.objects.get(pk=api_key_id)
    for each in lifted:
        AuditEvent.record(by, "served again", api_key, note=f"{each.what}.")


def _quiet_since() -> datetime:
    return timezone.now() - QUIET
