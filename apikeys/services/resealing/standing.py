"""How things stand: what is sealed under which master key, who can open it, what comes next."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from apikeys.models import MasterKey, ServerProcess
from apikeys.sealing import master_keys

from .columns import sealed_columns

DAMAGED = ""  # stands where the fingerprint of a master key would, if anything told it


def missing_master_keys() -> set[str]:
    """Return the master keys that some row needs and FERNET_KEYS lacks. Quick with any number."""
    needed = {name for column in sealed_columns() for name in column.under()}
    return needed - master_keys().fingerprints.keys()


@dataclass(frozen=True)
class Standing:
    """The rows under each master key, by its fingerprint, and the processes that serve them."""

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
        """Whether everything was to move away from the key that now comes first."""
        return self.primary in self.retired

    def unable(self) -> list[ServerProcess]:
        """Return the live processes that cannot open what the primary seals."""
        return [process for process in self.processes if not process.opens(self.primary)]

    def otherwise_minded(self) -> list[ServerProcess]:
        """Return the live processes that open it, and still seal under another key themselves."""
        return [
            process
            for process in self.processes
            if process.opens(self.primary) and not process.seals_under(self.primary)
        ]

    def richer(self) -> list[tuple[ServerProcess, list[str]]]:
        """Return the live processes that open more than this one, and with which master keys."""
        more = [
            (process, [name for name in process.master_keys if name not in self.keys])
            for process in self.processes
        ]
        return [(process, names) for process, names in more if names]

    def out_of_reach(self) -> list[ServerProcess]:
        """Return the live processes that seal what this one cannot open."""
        return [
            process for process in self.processes if not {*process.master_keys[:1]} <= {*self.keys}
        ]


def current_standing(*, counted: bool = True) -> Standing:
    """Ask who is alive and, unless that does not matter, count the rows under each master key."""
    rows: Counter[str] = Counter()
    for column in sealed_columns() if counted else ():
        rows.update(column.counts())
    return Standing(
        keys=tuple(master_keys().fingerprints),
        rows=rows,
        retired=_retired(),
        processes=tuple(ServerProcess.objects.live()),
    )


def _retired() -> frozenset[str]:
    retired = MasterKey.objects.filter(retired_at__isnull=False)
    return frozenset(retired.values_list("pk", flat=True))
