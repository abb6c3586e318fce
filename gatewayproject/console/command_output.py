"""Output of commands: progress, tables, errors and exit statuses."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management.base import OutputWrapper

DONE_IN_PART = 3
BAR_WIDTH = 30  # characters
LINE_INTERVAL = 5  # seconds, if the output is not a terminal
MAX_LISTED = 100  # then "and N more"


def listed(names: Sequence[str]) -> list[str]:
    """Return a line for each of the first names, and one for the rest."""
    more = len(names) - MAX_LISTED
    return [*names[:MAX_LISTED], *([f"and {more:,} more"] if more > 0 else [])]


class Progress:
    """A progress bar on a terminal, otherwise a line every few seconds."""

    def __init__(self, out: OutputWrapper, what: str = "rows") -> None:
        self.out, self.what, self.last = out, what, time.monotonic()

    def __call__(self, task: str, done: int, total: int) -> None:
        text = f"{task}: {done:,} of {total:,} {self.what}"
        if self.out.isatty():
            filled = BAR_WIDTH * done // total
            bar = "█" * filled + "░" * (BAR_WIDTH - filled)
            self.out.write(f"\r{bar} {text}", ending="\n" if done == total else "")
            self.out.flush()
        elif time.monotonic() - self.last > LINE_INTERVAL:
            self.last = time.monotonic()
            self.out.write(text)


def print_table(
    out: OutputWrapper, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Print ``rows`` under headings, in aligned columns."""
    headings = [column.replace("_", " ").upper() for column in columns]
    lines, yes_no = [headings], {True: "yes", False: "no"}
    for row in rows:
        values = [row[column] for column in columns]
        lines.append([yes_no[value] if isinstance(value, bool) else str(value) for value in values])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        out.write("  ".join(cells).rstrip())


def error_lines(error: ValidationError) -> str:
    """Return one line for each error, with the name of its field."""
    errors = error.update_error_dict({})
    lines = []
    for name, messages in errors.items():
        prefix = "" if name == NON_FIELD_ERRORS else f"{name}: "
        lines += [f"{prefix}{message}" for message in ValidationError(messages).messages]
    return "\n".join(lines)
