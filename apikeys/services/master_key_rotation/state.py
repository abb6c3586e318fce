"""The state of master keys: how many rows each encrypts, and which processes have it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from apikeys.models import MasterKey, ServerProcess
from apikeys.sealing import master_keys

from .sealed_columns import sealed_columns

DAMAGED = ""  # in place of the fingerprint of a master key, if it is unknown


def missing_master_keys() -> set[str]:
    """Return the master keys that rows need and FERNET_KEYS lacks. Fast with any number of rows."""
    needed = {name for column in sealed_columns() for name in column.under()}
    return needed - master_keys().fingerprints.keys()


@dataclass(frozen=True)
class MasterKeyState:
    """The rows of each master key, by its fingerprint, and the live processes."""

    keys: tuple[str, ...]  # those of FERNET_KEYS, in their order
    rows: Mapping[str, int]
    retired: frozenset[str]
    processes: tuple[ServerProcess, ...]

    @property
    def primary(self) -> str:
        return self.keys[0]

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    @property
    def done(self) -> int:
        return self.rows.get(self.primary, 0)

    @property
    def behind(self) -> int:
        """How many rows wait to be re-sealed."""
        return sum(self.rows.get(name, 0) for name in self.keys[1:])

    @property
    def missing(self) -> dict[str, int]:
        return {name: rows for name, rows in self.rows.items() if rows and name not in self.keys}

    @property
    def needed(self) -> list[str]:
        """Return the master keys of FERNET_KEYS that rows are under."""
        return [name for name in self.keys if self.rows.get(name)]

    @property
    def unused(self) -> list[str]:
        """Return those of FERNET_KEYS that nothing is under, though nothing moved away from them.

        One of them may be the new master key, in the wrong place.
        """
        used = self.retired | {name for name, rows in self.rows.items() if rows}
        return [name for name in self.keys[1:] if name not in used]

    def by_key(self) -> dict[str, int]:
        """Return the number of rows under each of FERNET_KEYS, and under those that are missing."""
        return {name: self.rows.get(name, 0) for name in self.keys} | self.missing

    @property
    def is_reversed(self) -> bool:
        """Whether the first key is being retired."""
        return self.primary in self.retired

    def without_primary(self) -> list[ServerProcess]:
        """Return the live processes that do not have the primary."""
        return [process for process in self.processes if not process.opens(self.primary)]

    def sealing_with_another_key(self) -> list[ServerProcess]:
        """Return the live processes that have the primary but encrypt with another key."""
        return [
            process
            for process in self.processes
            if process.opens(self.primary) and not process.seals_under(self.primary)
        ]

    def with_extra_keys(self) -> list[tuple[ServerProcess, list[str]]]:
        """Return the live processes that have master keys that this one lacks, and those keys."""
        more = [
            (process, [name for name in process.master_keys if name not in self.keys])
            for process in self.processes
        ]
        return [(process, names) for process, names in more if names]

    def sealing_with_a_missing_key(self) -> list[ServerProcess]:
        """Return the live processes that encrypt with a key that this one lacks."""
        return [
            process for process in self.processes if not {*process.master_keys[:1]} <= {*self.keys}
        ]


def current_state(*, counted: bool = True) -> MasterKeyState:
    """Look for live processes and, if ``counted``, count the rows of each master key."""
    retired = MasterKey.objects.filter(retired_at__isnull=False)
    rows: Counter[str] = Counter()
    for column in sealed_columns() if counted else ():
        rows.update(column.counts())
    return MasterKeyState(
        keys=tuple(master_keys().fingerprints),
        rows=rows,
        retired=frozenset(retired.values_list("pk", flat=True)),
        processes=tuple(ServerProcess.objects.live()),
    )
