"""What keeps a rotation from doing harm: it says no before the first write."""

from apikeys.models import ServerProcess

from .standing import Standing, current_standing


class Refused(Exception):
    """Rotating now would do harm. The message says why, and names who lacks what."""


def problems_now() -> list[str]:
    """Return what speaks against rotating at this moment: the order of the keys, live processes."""
    return problems_of(current_standing(counted=False))


def problems_of(standing: Standing) -> list[str]:
    """Return one line for each thing that speaks against re-sealing under the primary."""
    primary = standing.primary
    problems = []
    if standing.is_reversed:
        problems.append(
            f"Everything is to move away from {primary}, and here it comes first: the order of "
            "FERNET_KEYS is reversed. Put the new key first again."
        )
    for process in standing.unable():
        problems.append(
            f"{process} does not have the master key {primary} and could not read what is "
            f"re-sealed. Give it FERNET_KEYS with both keys and restart it. {_if_gone(process)}"
        )
    for process in standing.otherwise_minded():
        problems.append(
            f"{process} seals under {process.master_keys[0]}, not under {primary}: the order of "
            f"FERNET_KEYS differs. Put the new key first there, or here. {_if_gone(process)}"
        )
    return problems


def _if_gone(process: ServerProcess) -> str:
    return f"(Last seen {process.seen_at:%H:%M:%S %Z}; a process that is gone counts for 60 s.)"
