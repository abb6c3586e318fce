"""Remove destroyed credentials from SQLite's files, and not only from the rows.

``secure_delete`` overwrites what is deleted, and a checkpoint empties the write-ahead log. A long
read prevents that. It is then tried again: at the next action on a key, by the server every few
seconds, and by a command before it ends. On PostgreSQL, VACUUM does it (docs/rotation.md)."""

import time
from threading import Event

from django.db import connection

CHECKPOINT_TIMEOUT = 250  # milliseconds: a checkpoint that waits for readers blocks all writers
TRIES = 20
RETRY_DELAY = 0.25  # seconds

_pending = Event()  # a checkpoint of this process that failed


def empty_write_ahead_log() -> bool:
    """Empty SQLite's write-ahead log of old pages; return whether it worked.

    Inside a transaction, there is nothing to do before it commits.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return True
    _pending.clear()  # first, so that concurrent changes stay pending
    is_empty = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {CHECKPOINT_TIMEOUT}")
            try:
                row = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                is_empty = not row[0]
            finally:
                usual = int(connection.settings_dict["OPTIONS"].get("timeout", 5) * 1000)
                cursor.execute(f"PRAGMA busy_timeout = {usual}")
    finally:
        if not is_empty:
            _pending.set()
    return is_empty


def settle_erasing() -> bool:
    """Try again if it failed before; return whether nothing is pending."""
    return not _pending.is_set() or empty_write_ahead_log()


def finish_erasing() -> bool:
    """Try for five seconds, before a process ends."""
    for _ in range(TRIES):
        if empty_write_ahead_log():
            return True
        time.sleep(RETRY_DELAY)
    return False


OLD_IN_THE_LOG = (
    "Old credentials, encrypted, are still in SQLite’s write-ahead log, because another process "
    "keeps reading it."
)
STILL_IN_THE_FILES = f"{OLD_IN_THE_LOG} Run destroy_previous later to empty the log."
