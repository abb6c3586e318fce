"""What keeps a rotation from doing harm: it says no before the first write, and before others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from apikeys.actors import Actor
from apikeys.models import ServerProcess

from . import history
from .standing import Standing, current_standing


@dataclass(frozen=True)
class Problem:
    """One thing that speaks against it."""

    short: str  # whose it is and what, for the history
    told: str = field(compare=False)  # the same with what to do about it

    def __str__(self) -> str:
        return self.told


class Refused(Exception):
    """Going on would do harm. The message says why, and names who lacks what."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Watch:
    """Looks before each batch, and remembers what was gone on with all the same."""

    def __init__(self, *, by: Actor, force: bool) -> None:
        self.by, self.force = by, force
        self.overridden: list[Problem] = []

    def look(self) -> None:
        """Raise ``Refused`` where something speaks against it; with ``force`` write that down."""
        standing = current_standing(counted=False)
        found = [problem for problem in problems_of(standing) if problem not in self.overridden]
        if not found:
            return
        if not self.force:
            raise Refused(found)
        history.forced(standing.primary, [problem.short for problem in found], by=self.by)
        self.overridden += found


def problems_now() -> list[Problem]:
    """Return what speaks against rotating at this moment: the order of the keys, live processes."""
    return problems_of(current_standing(counted=False))


def problems_of(standing: Standing) -> list[Problem]:
    """Return each thing that speaks against re-sealing under the primary."""
    primary = standing.primary
    problems = []
    if standing.is_reversed:
        problems.append(
            Problem(
                "the order of the keys is reversed",
                f"Everything is to move away from {primary}, and here it comes first: the order of "
                "FERNET_KEYS is reversed. Put the new key first again.",
            )
        )
    for process in standing.unable():
        problems.append(
            Problem(
                f"{process} lacks it",
                f"{process} does not have the master key {primary} and could not read what is "
                "re-sealed. Give it FERNET_KEYS with both keys and restart it. "
                f"{_if_gone(process)}",
            )
        )
    for process in standing.otherwise_minded():
        problems.append(
            Problem(
                f"{process} seals under {process.master_keys[0]}",
                f"{process} seals under {process.master_keys[0]}, not under {primary}: the order "
                "of FERNET_KEYS differs. Put the new key first there, or here. "
                f"{_if_gone(process)}",
            )
        )
    return problems


def refuse_while_others_may_open() -> None:
    """Raise ``Refused`` while a live process has a master key that FERNET_KEYS here has not."""
    problems = [
        Problem(
            f"{process} has other master keys",
            f"{process} has the master key {', '.join(more)}, which FERNET_KEYS here has not, and "
            "may open what cannot be opened here. Bring that key here, or stop the process. "
            f"{_if_gone(process)}",
        )
        for process, more in current_standing(counted=False).richer()
    ]
    if problems:
        raise Refused(problems)


def _if_gone(process: ServerProcess) -> str:
    return f"(Last seen {process.seen_at:%H:%M:%S %Z}; a process that is gone counts for 60 s.)"
