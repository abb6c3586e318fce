"""What ``manage.py check --database default`` says about master keys."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections


@register(Tags.database)
def check_master_keys(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Find rows whose master key is not in FERNET_KEYS, and a FERNET_KEYS that is in disorder."""
    if "default" not in (databases or ()) or not _is_migrated():
        return []
    from apikeys.services.resealing import current_standing

    standing = current_standing()
    return [*map(_missing, standing.missing.items()), *_reversed(standing.is_reversed)]


def _is_migrated() -> bool:
    tables = connections["default"].introspection.table_names()
    return {"apikeys_credentialversion", "apikeys_serverprocess"} <= set(tables)


def _missing(need: tuple[str, int]) -> CheckMessage:
    name, rows = need
    return Error(
        f"{rows:,} sealed rows need the master key {name or 'of an unknown fingerprint'}, which is "
        "not in FERNET_KEYS.",
        hint="Bring it back, as the last one. See docs/rotation.md.",
        id="apikeys.E001",
    )


def _reversed(is_reversed: bool) -> list[CheckMessage]:
    if not is_reversed:
        return []
    return [
        Warning(
            "The first of FERNET_KEYS is one that everything was moved away from: their order is "
            "reversed, and new credentials are sealed under the old key.",
            hint="Put the new key first. See docs/rotation.md.",
            id="apikeys.W001",
        )
    ]
