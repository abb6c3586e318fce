"""Change many API keys at once: all of them in one transaction, or none.

Each function takes the keys as primary key → ``rev``, as the user saw them. Raises ``Conflict`` if
one of them has been changed or deleted since. Each key has its own audit event.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from apikeys import blast_radius
from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.wording import counted

from .sqlite_wal import empty_write_ahead_log, settle_erasing

MOST_KEYS = 1000  # in one action
BULK_DETAILS = ("environment", "team", "rotate_every_days")
BATCH = 200  # rows in one UPDATE

Revs = Mapping[UUID, int]


def disable_api_keys(revs: Revs, *, by: Actor, seen: str = "") -> list[ApiKey]:
    """Disable those that are enabled, and return them.

    If active endpoints depend on them, ``seen`` must be the digest of their blast radius.
    """
    with transaction.atomic():
        keys = [key for key in _locked(revs) if key.enabled]
        radius = blast_radius_of(*keys)
        if radius.active and radius.digest() != seen:
            raise Conflict
        return _switch(keys, on=False, by=by)


def enable_api_keys(revs: Revs, *, by: Actor) -> list[ApiKey]:
    """Enable those that are disabled, and return them."""
    with transaction.atomic():
        return _switch([key for key in _locked(revs) if not key.enabled], on=True, by=by)


def update_api_keys(revs: Revs, *, by: Actor, values: Mapping[str, Any]) -> list[ApiKey]:
    """Give all keys the same ``values`` of ``BULK_DETAILS``; return those that were different."""
    fields = {field.name: field for field in ApiKey._meta.fields}
    cleaned, errors = {}, {}
    for name in [name for name in BULK_DETAILS if name in values]:
        try:
            cleaned[name] = fields[name].clean(values[name], None)
        except ValidationError as error:
            errors[name] = error.messages
    if errors:
        raise ValidationError(errors)
    with transaction.atomic():
        _locked(revs)
        changes: list[tuple[ApiKey, list[str]]] = []
        follows: set[str] = set()
        for key in ApiKey.objects.with_details().filter(pk__in=revs).sorted_by("name"):
            changed = [name for name, value in cleaned.items() if getattr(key, name) != value]
            if not changed:
                continue
            for name in changed:
                setattr(key, name, cleaned[name])
            for name, value in key.columns_with(key.current).items():
                setattr(key, name, value)
                follows.add(name)
            key.rev += 1
            changes.append((key, changed))
        keys = [key for key, _ in changes]
        if keys:
            ApiKey.objects.bulk_update(keys, [*cleaned, *follows, "rev"], batch_size=BATCH)
        AuditEvent.record_all(
            AuditEvent.of(by, "edited", key, fields=names) for key, names in changes
        )
        transaction.on_commit(settle_erasing, robust=True)
    return keys


def delete_api_keys(revs: Revs, *, by: Actor, seen: str, confirmation: str = "") -> list[ApiKey]:
    """Delete all keys and their credentials, and leave their endpoints without them.

    ``seen`` must be the digest of their blast radius; while an active endpoint is in it,
    ``confirmation`` must be what ``deletion_phrase`` returns.
    """
    with transaction.atomic():
        keys = _locked(revs)
        radius = blast_radius_of(*keys)
        if radius.digest() != seen:
            raise Conflict
        phrase = deletion_phrase(len(keys))
        if radius.active and confirmation.strip() != phrase:
            raise ValidationError({"confirmation": f"Type “{phrase}” to delete them."})
        notes = {
            pk: f"left {counted(count, 'endpoint')} without this key"
            for pk, count in blast_radius.registry().counts(revs).items()
            if count
        }
        if radius:
            blast_radius.registry().replace(keys, None, by=by)
        AuditEvent.record_all(
            AuditEvent.of(by, "deleted", key, note=notes.get(key.pk, "")) for key in keys
        )
        rows = ApiKey.objects.filter(pk__in=revs)
        rows.update(current=None, pending=None, previous=None)
        rows.delete()
        transaction.on_commit(empty_write_ahead_log, robust=True)
    return keys


def deletion_phrase(count: int) -> str:
    return "delete 1 key" if count == 1 else f"delete {count} keys"


def _locked(revs: Revs) -> list[ApiKey]:
    """Lock the keys, and return them by name. Raises ``Conflict`` if one of them changed."""
    if len(revs) > MOST_KEYS:
        raise ValidationError(f"Choose at most {MOST_KEYS:,} keys at once.")
    locked = ApiKey.objects.lock(*revs)
    if {pk: key.rev for pk, key in locked.items()} != dict(revs):
        raise Conflict
    return sorted(locked.values(), key=lambda key: key.name_key)


def _switch(keys: list[ApiKey], *, on: bool, by: Actor) -> list[ApiKey]:
    rows = ApiKey.objects.filter(pk__in=[key.pk for key in keys])
    rows.update(enabled=on, rev=F("rev") + 1)
    AuditEvent.record_all(AuditEvent.of(by, "enabled" if on else "disabled", key) for key in keys)
    transaction.on_commit(settle_erasing, robust=True)
    return keys
