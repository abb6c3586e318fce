"""Destroyed credentials leave SQLite's files, and not only the rows.

``secure_delete`` overwrites what is deleted, and a checkpoint empties the write-ahead log. Where
somebody reads for longer than a moment it is owed, and tried again: at the next act on a key, by
the server every few seconds, and by a command before it ends. On PostgreSQL nothing is done: there
VACUUM decides (docs/rotation.md).
"""

import time
from threading import Event

from django.db import connection

PATIENCE = 250  # milliseconds: a checkpoint that waits for readers holds every writer up
TRIES, PAUSE = 20, 0.25  # seconds between them

_owed = Event()  # by this process


def empty_write_ahead_log() -> bool:
    """Make SQLite's write-ahead log forget the pages as they were; return whether it has.

    Inside a transaction there is nothing to do yet: what it destroys is erased when it commits.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return True
    _owed.clear()  # before, so that what others destroy meanwhile stays owed
    is_empty = False
    try:
        is_empty = _checkpoint()
    finally:
        if not is_empty:
            _owed.set()
    return is_empty


def settle_erasing() -> bool:
    """Try again where that did not work; return whether nothing is owed any more."""
    return not _owed.is_set() or empty_write_ahead_log()


def finish_erasing() -> bool:
    """Try for five seconds, as for a process that ends there is no next time."""
    for _ in range(TRIES):
        if empty_write_ahead_log():
            return True
        time.sleep(PAUSE)
    return False


def _checkpoint() -> bool:
    usual = int(connection.settings_dict["OPTIONS"].get("timeout", 5) * 1000)
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {PATIENCE}")
        try:
            is_busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
    return not is_busy
