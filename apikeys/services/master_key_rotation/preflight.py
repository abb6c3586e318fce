"""Checks before a rotation of the master key, and before each of its batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from apikeys.models import ServerProcess
from gatewayproject.accounts.actors import Actor

from . import audit
from .state import MasterKeyState, current_state


@dataclass(frozen=True)
class Objection:
    """A reason not to rotate."""

    short: str  # for the history
    message: str = field(compare=False)  # with what to do about it

    def __str__(self) -> str:
        return self.message


class RotationRefused(Exception):
    """The rotation would do harm. The message gives the reasons and names the processes."""

    def __init__(self, problems: Sequence[Objection]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Preflight:
    """Looks for reasons not to rotate, and remembers those that were overridden."""

    def __init__(self, *, by: Actor, force: bool) -> None:
        self.by, self.force = by, force
        self.overridden: list[Objection] = []

    def look(self) -> None:
        """Raise ``RotationRefused`` if there is a new reason; with ``force``, record it instead."""
        state = current_state(counted=False)
        found = [problem for problem in problems_of(state) if problem not in self.overridden]
        if not found:
            return
        if not self.force:
            raise RotationRefused(found)
        audit.forced(state.primary, [problem.short for problem in found], by=self.by)
        self.overridden += found


def problems_now() -> list[Objection]:
    """Return what speaks against rotating at this moment: the order of the keys, live processes."""
    return problems_of(current_state(counted=False))


def problems_of(state: MasterKeyState) -> list[Objection]:
    """Return each thing that speaks against re-sealing under the primary."""
    primary = state.primary
    problems = []
    if state.is_reversed:
        problems.append(
            Objection(
                "the order of the keys is reversed",
                f"The order of FERNET_KEYS is reversed: {primary} is being retired, but comes "
                "first here. Put the new key first.",
            )
        )
    for process in state.without_primary():
        problems.append(
            Objection(
                f"{process} does not have it",
                f"{process} does not have the master key {primary} and could not read re-encrypted "
                "rows. Give it FERNET_KEYS with both keys and restart it. "
                f"{_if_gone(process)}",
            )
        )
    for process in state.sealing_with_another_key():
        problems.append(
            Objection(
                f"{process} encrypts with {process.master_keys[0]}",
                f"{process} encrypts with {process.master_keys[0]}, not with {primary}: the order "
                "of FERNET_KEYS differs. Put the new key first there, or here. "
                f"{_if_gone(process)}",
            )
        )
    return problems


def refuse_while_others_may_open() -> None:
    """Raise ``RotationRefused`` if a live process has a master key that FERNET_KEYS lacks."""
    problems = [
        Objection(
            f"{process} has other master keys",
            f"{process} has the master key {', '.join(more)}, which is not in FERNET_KEYS here and "
            "may decrypt these rows. Add that key here, or stop the process. "
            f"{_if_gone(process)}",
        )
        for process, more in current_state(counted=False).with_extra_keys()
    ]
    if problems:
        raise RotationRefused(problems)


def _if_gone(process: ServerProcess) -> str:
    return (
        f"(Last seen {process.seen_at:%H:%M:%S %Z}; a stopped process counts as running for 60 s.)"
    )
