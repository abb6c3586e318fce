"""Rows that no master key decrypts."""

from itertools import islice

from apikeys.models import CredentialVersion
from apikeys.sealing import master_keys

from .sealed_columns import sealed_columns


def unreadable_versions(*, look_at_each: bool, limit: int | None) -> list[CredentialVersion]:
    """Return versions that no configured master key decrypts, with their API keys.

    Decrypts nothing. Rows record their master key, so most are found at once. ``look_at_each``
    also finds damaged rows; that takes a second for 50,000 rows.
    """
    rows = CredentialVersion.objects.filter(sealed__isnull=False).select_related("api_key")
    if not look_at_each:
        rows = rows.exclude(master_key__in=master_keys().fingerprints)
    versions = rows.order_by("api_key__name_key", "pk").only(
        "sealed", "master_key", "api_key__name", "api_key__current_id"
    )
    recognize = master_keys().recognize
    return list(islice((row for row in versions.iterator(500) if not recognize(row.sealed)), limit))


def unreadable_others() -> list[str]:
    """Return what else no master key opens, by name. There are few such rows: each is looked at."""
    return [
        str(row)
        for column in sealed_columns()
        if column.model is not CredentialVersion
        for row in column.rows()
        if not master_keys().recognize(getattr(row, column.field.name))
    ]
