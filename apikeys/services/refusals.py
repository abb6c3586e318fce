"""What the gateway learns of a key by using it: the provider refuses it, or accepts it again."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.models import ApiKey, Event

GATEWAY = Actor("gateway", channel="gateway")


def mark_refused(api_key_id: UUID, *, version_id: UUID, status: int) -> bool:
    """Note that the provider answered ``status``, 401 or 403, to these credentials.

    Returns whether that is news. Credentials replaced in the meantime are not blamed.
    """
    now = timezone.now()
    return _mark(
        api_key_id, version_id, was_refused=False, refused_at=now, act="refused by provider",
        note=f"The provider answered {status}.",
    )  # fmt: skip


def mark_accepted(api_key_id: UUID, *, version_id: UUID) -> bool:
    """Note that the provider accepts these credentials again. Returns whether that is news."""
    return _mark(
        api_key_id, version_id, was_refused=True, refused_at=None, act="accepted again", note="",
    )  # fmt: skip


def _mark(
    api_key_id: UUID,
    version_id: UUID,
    *,
    was_refused: bool,
    refused_at: object,
    act: str,
    note: str,
) -> bool:
    with transaction.atomic():
        row = ApiKey.objects.filter(
            pk=api_key_id, current_id=version_id, refused_at__isnull=not was_refused
        )
        if not row.update(refused_at=refused_at):
            return False
        Event.record(GATEWAY, act, ApiKey.objects.get(pk=api_key_id), note=note)
    return True
