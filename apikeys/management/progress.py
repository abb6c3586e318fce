"""How far a long act is."""

import time

from django.core.management.base import OutputWrapper

BAR = 30  # characters
LINE_EVERY = 5  # seconds, where the output is no terminal


class Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, out: OutputWrapper, what: str = "rows") -> None:
        self.out, self.what, self.last = out, what, time.monotonic()

    def __call__(self, task: str, done: int, total: int) -> None:
        text = f"{task}: {done:,} of {total:,} {self.what}"
        if self.out.isatty():
            filled = BAR * done // total
            bar = "█" * filled + "░" * (BAR - filled)
            self.out.write(f"\r{bar} {text}", ending="\n" if done == total else "")
            self.out.flush()
        elif time.monotonic() - self.last > LINE_EVERY:
            self.last = time.monotonic()
            self.out.write(text)
