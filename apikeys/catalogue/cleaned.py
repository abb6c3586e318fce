"""What cleaning a value returns."""

from typing import NamedTuple


class Cleaned(NamedTuple):
    """The value to keep, and notes about it for the person who entered it."""

    value: str
    notes: tuple[str, ...] = ()
