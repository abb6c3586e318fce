"""Delete an API key, with everything that depends on it in view."""

from django.core.exceptions import ValidationError
from django.db import transaction

from apikeys import blast_radius
from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.wording import counted

from .sqlite_wal import empty_write_ahead_log

INCOMPATIBLE = "{name} does not offer the same API and models. Choose another key."


def delete_api_key(
    api_key: ApiKey,
    *,
    by: Actor,
    seen: str,
    replacement: ApiKey | None = None,
    confirmation: str = "",
) -> None:
    """Delete ``api_key`` and its credentials, and point its dependents at ``replacement``.

    ``seen`` is the digest of the blast radius that the user saw. Raises ``Conflict`` if it has
    changed. Without a replacement, ``confirmation`` must be the key's name while an active endpoint
    depends on it.
    """
    with transaction.atomic():
        keys = ApiKey.objects.lock(api_key.pk, replacement.pk if replacement else None)
        if api_key.pk not in keys or (replacement and replacement.pk not in keys):
            raise Conflict
        locked = keys[api_key.pk]
        radius = blast_radius_of(locked)
        if radius.digest() != seen:
            raise Conflict
        if replacement is not None:
            check_replacement(locked, replacement)
        elif radius.active and confirmation.strip() != locked.name:
            raise ValidationError({"confirmation": f"Type {locked.name} to delete it."})
        if radius:
            blast_radius.registry().replace([locked], replacement, by=by)
        endpoints = counted(len(radius), "endpoint")
        if not radius:
            note = ""
        elif replacement:
            note = f"moved {endpoints} to {replacement.name}"
        else:
            note = f"left {endpoints} without this key"
        AuditEvent.record(by, "deleted", locked, note=note)
        locked.current = locked.pending = locked.previous = None
        locked.save(update_fields=["current", "pending", "previous"])
        locked.delete()
        transaction.on_commit(empty_write_ahead_log, robust=True)


def check_replacement(api_key: ApiKey, replacement: ApiKey) -> None:
    """Refuse the key itself, one of another kind, and one that is disabled."""
    if replacement.pk == api_key.pk:
        raise ValidationError({"replacement": "Choose a different key."})
    if not replacement.scheme.can_replace(api_key.scheme):
        raise ValidationError({"replacement": INCOMPATIBLE.format(name=replacement.name)})
    if not replacement.enabled:
        raise ValidationError({"replacement": f"{replacement.name} is disabled. Enable it first."})
