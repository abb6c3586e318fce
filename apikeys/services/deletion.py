"""Delete an API key, with everything that depends on it in view."""

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from apikeys import dependents
from apikeys.actors import Actor
from apikeys.models import ApiKey, Event

from .erasing import empty_write_ahead_log
from .versions import Conflict


def delete_api_key(
    api_key: ApiKey,
    *,
    by: Actor,
    seen: str,
    replacement: ApiKey | None = None,
    confirmation: str = "",
) -> None:
    """Delete ``api_key`` and its credentials, and point its dependents at ``replacement``.

    ``seen`` is the digest of the blast radius that the person looked at; where it is another by
    now, ``Conflict`` is raised and nothing happens. Without a replacement, ``confirmation`` must be
    the key's name while anything active depends on it.
    """
    with transaction.atomic():
        keys = lock_keys(api_key.pk, replacement and replacement.pk)
        if api_key.pk not in keys or (replacement and replacement.pk not in keys):
            raise Conflict
        locked = keys[api_key.pk]
        radius = locked.blast_radius()
        if radius.digest() != seen:
            raise Conflict
        if replacement is not None:
            check_replacement(locked, replacement)
        elif radius.active and confirmation.strip() != locked.name:
            raise ValidationError(
                {"confirmation": f"Type the name of the key, {locked.name}, to delete it."}
            )
        if radius:
            dependents.registry().move(locked, replacement, by=by)
        Event.record(by, "deleted", locked, note=_tell(radius, replacement))
        locked.current = locked.pending = locked.previous = None
        locked.save(update_fields=["current", "pending", "previous"])
        locked.delete()
        transaction.on_commit(empty_write_ahead_log, robust=True)


def lock_keys(*ids: UUID | None) -> dict[UUID, ApiKey]:
    """Lock keys until the transaction ends: always in one order, and before their endpoints.

    So two people who need the same rows wait for each other, and never in a circle.
    """
    rows = ApiKey.objects.select_for_update().filter(pk__in=[pk for pk in ids if pk]).order_by("pk")
    return {row.pk: row for row in rows}


def check_replacement(api_key: ApiKey, replacement: ApiKey) -> None:
    """Refuse a replacement that could not serve: itself, or another provider's key."""
    if replacement.pk == api_key.pk:
        raise ValidationError({"replacement": "Choose another key than the one to delete."})
    if replacement.scheme.provider_id != api_key.scheme.provider_id:
        raise ValidationError({"replacement": f"Choose a key of {api_key.provider}."})


def _tell(radius: dependents.BlastRadius, replacement: ApiKey | None) -> str:
    if not radius:
        return ""
    what = "1 endpoint" if len(radius) == 1 else f"{len(radius)} endpoints"
    return f"moved {what} to {replacement.name}" if replacement else f"left {what} without this key"
