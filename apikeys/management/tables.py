"""Tables for people who read a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import OutputWrapper


def print_table(
    out: OutputWrapper, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Print ``rows`` under their headings, each column as wide as it needs to be."""
    heads = [column.replace("_", " ").upper() for column in columns]
    lines = [heads, *([_told(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        out.write("  ".join(cells).rstrip())


def _told(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
