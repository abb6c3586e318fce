"""The next step of an operator, for the Encryption page and the terminal."""

from .preflight import problems_of
from .state import DAMAGED, MasterKeyState

VERIFY = "python manage.py rotate_master_key --verify"
FORGET = "python manage.py rotate_master_key --forget-unreadable"


def next_step(state: MasterKeyState, *, is_verified: bool = False) -> str:
    """Return the next step of the runbook (docs/rotation.md).

    ``is_verified``: everything was just decrypted with the first master key alone.
    """
    if state.missing:
        names = ", ".join(name for name in state.missing if name != DAMAGED)
        if not names:
            return (
                "A row is damaged, or its master key is missing. Restore the master key as the "
                "last of FERNET_KEYS, or restore the row from a backup. If you have neither, run "
                f"“{FORGET}”."
            )
        return (
            f"Restore the master key {names} as the last of FERNET_KEYS, because rows need it. If "
            f"it is lost for good, run “{FORGET}” and enter the credentials of those API keys "
            "again."
        )
    if problems := problems_of(state):
        return str(problems[0])
    if state.behind:
        return "Run “python manage.py rotate_master_key”."
    if old := [name for name in state.keys[1:] if name in state.retired]:
        drop = (
            f"{', '.join(old)} from FERNET_KEYS on every server and restart them. Keep it with the "
            "backups made with it."
        )
        return f"Remove {drop}" if is_verified else f"Run “{VERIFY}”. If all is well, remove {drop}"
    if len(state.keys) > 1:
        without = [p for p in state.processes if not set(state.keys) <= set(p.master_keys)]
        if without:
            return f"Give {without[0]} the same FERNET_KEYS and restart it."
        return nothing_to_do(state)
    return (
        "Nothing to do. To add a new master key, run “python manage.py "
        "generate_master_key” and put the new key last in FERNET_KEYS on every server."
    )


def nothing_to_do(state: MasterKeyState) -> str:
    """Return why a rotation would do nothing if the new master key is not the first."""
    waiting = ", ".join(state.unused)
    return (
        f"Nothing to do: {state.primary} already encrypts everything, and {waiting} is not used "
        "yet. If it is the new master key, put it first in FERNET_KEYS on every server, once all "
        "servers have it. If it is an old one, remove it."
    )
