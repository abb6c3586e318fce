"""What an operator does next, in words: the same on the Encryption page and in the terminal."""

from .guard import problems_of
from .standing import DAMAGED, Standing


def next_step(standing: Standing) -> str:
    """Return the next step of the runbook (docs/rotation.md)."""
    if standing.missing:
        return _bring_back(standing)
    if problems := problems_of(standing):
        return problems[0]
    if standing.behind:
        return "Run “python manage.py rotate_master_key”."
    if len(standing.keys) > 1:
        return _with_another(standing)
    return (
        "Nothing has to be done. To bring in a new master key, run “python manage.py "
        "generate_master_key” and put the new key last in FERNET_KEYS on every server."
    )


def _bring_back(standing: Standing) -> str:
    names = ", ".join(name for name in standing.missing if name != DAMAGED)
    if not names:
        return (
            "A row is damaged, or its master key is missing. Bring the master key back, as the "
            "last of FERNET_KEYS, or restore the row from a backup."
        )
    return (
        f"Bring back the master key {names}, as the last of FERNET_KEYS: rows need it. If it is "
        "lost, enter the credentials of those API keys again, or delete them."
    )


def _with_another(standing: Standing) -> str:
    old = [name for name in standing.keys[1:] if name in standing.retired]
    if old:
        return (
            "Run “python manage.py rotate_master_key --verify”. If all is well, remove "
            f"{', '.join(old)} from FERNET_KEYS on every server and restart them. Keep it with "
            "the backups that were made under it."
        )
    waiting = ", ".join(standing.keys[1:])
    without = [p for p in standing.processes if not set(standing.keys) <= set(p.master_keys)]
    if without:
        return f"Give {without[0]} the same FERNET_KEYS, and restart it."
    return (
        f"Nothing is sealed under {waiting}. If it is the new master key, put it first in "
        "FERNET_KEYS on every server, once all of them have it; if it is an old one, remove it."
    )
