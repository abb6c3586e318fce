"""What an operator does next, in words: the same on the Encryption page and in the terminal."""

from .guard import problems_of
from .standing import DAMAGED, Standing

VERIFY = "python manage.py rotate_master_key --verify"
FORGET = "python manage.py rotate_master_key --forget-unreadable"


def next_step(standing: Standing, *, is_verified: bool = False) -> str:
    """Return the next step of the runbook (docs/rotation.md).

    ``is_verified``: everything was just opened with the first master key alone.
    """
    if standing.missing:
        return _bring_back(standing)
    if problems := problems_of(standing):
        return str(problems[0])
    if standing.behind:
        return "Run “python manage.py rotate_master_key”."
    if len(standing.keys) > 1:
        return _with_another(standing, is_verified=is_verified)
    return (
        "Nothing has to be done. To bring in a new master key, run “python manage.py "
        "generate_master_key” and put the new key last in FERNET_KEYS on every server."
    )


def nothing_to_do(standing: Standing) -> str:
    """Return why a rotation would do nothing where the new master key does not come first."""
    waiting = ", ".join(standing.unused)
    return (
        f"Nothing to do: everything is under {standing.primary} already, and {waiting} is not used "
        "yet. If it is the new master key, put it first in FERNET_KEYS on every server, once all "
        "of them have it; if it is an old one, remove it."
    )


def _bring_back(standing: Standing) -> str:
    names = ", ".join(name for name in standing.missing if name != DAMAGED)
    if not names:
        return (
            "A row is damaged, or its master key is missing. Bring the master key back, as the "
            "last of FERNET_KEYS, or restore the row from a backup. If there is neither, run "
            f"“{FORGET}”."
        )
    return (
        f"Bring back the master key {names}, as the last of FERNET_KEYS: rows need it. If it is "
        f"lost for good, run “{FORGET}” and enter the credentials of those API keys again."
    )


def _with_another(standing: Standing, *, is_verified: bool) -> str:
    old = [name for name in standing.keys[1:] if name in standing.retired]
    if old:
        drop = (
            f"{', '.join(old)} from FERNET_KEYS on every server and restart them. Keep it with the "
            "backups that were made under it."
        )
        if is_verified:
            return f"Remove {drop}"
        return f"Run “{VERIFY}”. If all is well, remove {drop}"
    without = [p for p in standing.processes if not set(standing.keys) <= set(p.master_keys)]
    if without:
        return f"Give {without[0]} the same FERNET_KEYS, and restart it."
    return nothing_to_do(standing)
