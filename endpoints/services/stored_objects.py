"""Remembering which API key created an object at a provider."""

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.db import close_old_connections
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.models import StoredObject

BATCH = 5000  # rows; a transaction each, so that requests never wait for long


def remember_objects(names: Collection[str], api_key_id: UUID, *, endpoint_id: int | None) -> None:
    """Note that the API key created the objects with these provider IDs, for the endpoint."""
    close_old_connections()
    if not ApiKey.objects.filter(pk=api_key_id).exists():  # deleted in the meantime
        return
    StoredObject.objects.bulk_create(
        [
            StoredObject(digest=_digest(name), api_key_id=api_key_id, endpoint_number=endpoint_id)
            for name in names
        ],
        ignore_conflicts=True,
    )


def keys_of_objects(names: Collection[str]) -> set[tuple[UUID | None, int | None]]:
    """Return the API keys that created objects with these provider IDs, None for a deleted key,
    each with the endpoint that it did so for.

    IDs that are not remembered are left out.
    """
    close_old_connections()
    digests = [_digest(name) for name in names]
    rows = StoredObject.objects.filter(pk__in=digests)
    return set(rows.values_list("api_key_id", "endpoint_number"))


def trim_stored_objects(*, keep_days: int, dry_run: bool = False) -> int:
    """Forget objects that were created longer ago, and return how many."""
    oldest = timezone.now() - timedelta(days=keep_days)
    old = StoredObject.objects.filter(created_at__lt=oldest)
    if dry_run:
        return old.count()
    trimmed = 0
    while deleted := StoredObject.objects.filter(pk__in=old.values("pk")[:BATCH]).delete()[0]:
        trimmed += deleted
    return trimmed


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()
