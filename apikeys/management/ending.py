"""How a command ends that could not do all of it: what it names, and its exit status."""

from collections.abc import Sequence

DONE_IN_PART = 3
NAMED = 100  # of what is listed; the number of the rest is told
OLD_IN_THE_LOG = (
    "Old credentials are still in SQLite’s write-ahead log, sealed, as somebody reads it all the "
    "time."
)
STILL_IN_THE_FILES = (
    f"{OLD_IN_THE_LOG} Run destroy_previous when they have finished: it empties the log."
)


def listed(names: Sequence[str]) -> list[str]:
    """Return a line for each of the first names, and one for the rest."""
    more = len(names) - NAMED
    return [*names[:NAMED], *([f"and {more:,} more"] if more > 0 else [])]
