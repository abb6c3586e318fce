"""The files of the SQLite database that the tests use."""

import subprocess
from pathlib import Path

from django.db import connection


def content_of_database_files() -> bytes:
    """Return the bytes of the database and of its write-ahead log.

    Another process reads them: closing a file drops all POSIX locks that this process has on it, so
    SQLite would take the open connections for closed (sqlite.org/howtocorrupt.html, section 2.2).
    """
    name = connection.settings_dict["NAME"]
    files = [file for file in (name, f"{name}-wal") if Path(file).exists()]
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout
