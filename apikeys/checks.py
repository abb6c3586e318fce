"""System checks of master keys, run by ``manage.py check --database default``."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from gatewayproject.console.wording import counted

SAME_KEYS = "Give both the same FERNET_KEYS, or stop that process. See docs/rotation.md."


@register(Tags.database)
def check_master_keys(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Report rows whose master key is not in FERNET_KEYS, and an inconsistent FERNET_KEYS."""
    if "default" not in (databases or ()):
        return
    tables = connections["default"].introspection.table_names()
    if not {"apikeys_credentialversion", "apikeys_serverprocess"} <= set(tables):
        return  # not migrated yet
    from .services.master_key_rotation import DAMAGED, current_state

    state = current_state()
    lost = [name for name in state.missing if name != DAMAGED]
    for name in lost or state.missing:  # what records no fingerprint is under one of these
        rows = counted(state.missing[name], "encrypted row needs", "encrypted rows need")
        key = f"the master key {name}, which" if name else "a master key that"
        yield Error(
            f"{rows} {key} is not in FERNET_KEYS{'' if name else ', or is damaged'}.",
            hint="Restore it as the last of FERNET_KEYS. If it is lost for good, run “python "
            "manage.py rotate_master_key --forget-unreadable”. See docs/rotation.md.",
            id="apikeys.E001",
        )
    for process in state.sealing_with_a_missing_key():
        yield Error(
            f"{process} encrypts with the master key {process.master_keys[0]}, which is not in "
            "FERNET_KEYS here. This process cannot read what is entered there.",
            hint=SAME_KEYS,
            id="apikeys.E002",
        )
    if state.is_reversed:
        yield Warning(
            "The first of FERNET_KEYS is a retired key: the order is reversed, and new credentials "
            "are encrypted with the old key.",
            hint="Put the new key first. See docs/rotation.md.",
            id="apikeys.W001",
        )
    for process in state.without_primary():
        yield Warning(
            f"{process} does not have the master key {state.primary}, the first of FERNET_KEYS "
            "here. It cannot read what is entered here.",
            hint=SAME_KEYS,
            id="apikeys.W002",
        )
    for process in state.sealing_with_another_key():
        yield Warning(
            f"{process} encrypts with the master key {process.master_keys[0]}, not with "
            f"{state.primary}, the first of FERNET_KEYS here.",
            hint="Before you remove a master key, give both the same order. See docs/rotation.md.",
            id="apikeys.W003",
        )
