"""What ``manage.py check --database default`` says about master keys."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

if TYPE_CHECKING:
    from apikeys.models import ServerProcess

SAME_KEYS = "Give both the same FERNET_KEYS, or stop it. See docs/rotation.md."


@register(Tags.database)
def check_master_keys(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Find rows whose master key is not in FERNET_KEYS, and a FERNET_KEYS that is in disorder."""
    if "default" not in (databases or ()) or not _is_migrated():
        return []
    from apikeys.services.resealing import current_standing

    standing = current_standing()
    return [
        *map(_missing, standing.missing.items()),
        *map(_out_of_reach, standing.out_of_reach()),
        *_reversed(standing.is_reversed),
        *[_unable(process, standing.primary) for process in standing.unable()],
    ]


def _is_migrated() -> bool:
    tables = connections["default"].introspection.table_names()
    return {"apikeys_credentialversion", "apikeys_serverprocess"} <= set(tables)


def _missing(need: tuple[str, int]) -> CheckMessage:
    name, rows = need
    return Error(
        f"{rows:,} sealed rows need the master key {name or 'of an unknown fingerprint'}, which is "
        "not in FERNET_KEYS.",
        hint="Bring it back, as the last one. If it is lost for good, run “python manage.py "
        "rotate_master_key --forget-unreadable”. See docs/rotation.md.",
        id="apikeys.E001",
    )


def _out_of_reach(process: "ServerProcess") -> CheckMessage:
    return Error(
        f"{process} serves and seals under the master key {process.master_keys[0]}, which is not "
        "in FERNET_KEYS here: what is entered there cannot be read here.",
        hint=SAME_KEYS,
        id="apikeys.E002",
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


def _unable(process: "ServerProcess", primary: str) -> CheckMessage:
    return Warning(
        f"{process} serves and does not have the master key {primary}, the first of FERNET_KEYS "
        "here: what is entered here cannot be read there.",
        hint=SAME_KEYS,
        id="apikeys.W002",
    )
