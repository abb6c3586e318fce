"""SQLite's files forget the old tokens, so that the old master key opens nothing in them."""

import time

from apikeys.services.versions import empty_write_ahead_log

TRIES, PAUSE = 20, 0.25  # seconds: a checkpoint that waits for readers holds every writer up


def erase_old_tokens() -> bool:
    """Empty the write-ahead log, in the face of people who read; return whether that was possible.

    On PostgreSQL nothing is done: there VACUUM decides (docs/rotation.md).
    """
    for _ in range(TRIES):
        if empty_write_ahead_log():
            return True
        time.sleep(PAUSE)
    return False
