"""``manage.py``: operating system and database errors end a command with one line."""

import errno
import os
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import DatabaseError, InterfaceError, connection

from . import trial

OUTPUT_CLOSED = 128 + 13  # as a shell reports SIGPIPE
INTERRUPTED = 128 + 2  # SIGINT

MISSING_TABLE = ("42P01", "42703")  # SQLSTATE: undefined table, undefined column

# The commands that may create the file of a SQLite database. Others would leave an empty one behind
# if they are run without the settings of the service.
CREATE_DATABASE = ("prepare", "migrate", "serve", "demo", "makemigrations", "test")

# Advice by a part of the database's message.
ADVICE = {
    "locked": "Another process is writing to it. Run the command again.",
    "disk is full": "Free some space and run the command again.",
    "disk I/O error": "The disk is full or damaged. Free some space and run the command again.",
    "No space left": "Free some space and run the command again.",
    "readonly database": "Make the file and its directory writable for this user.",
    "read-only transaction": "Name the primary server in DATABASE_URL.",
    "unable to open": "Check that it is a file in a directory that this user can write to.",
    "not a database": "Restore it from a backup, or name another file in DATABASE_URL.",
    "malformed": "Restore it from a backup.",
    "connection": "Check that the server runs and that DATABASE_URL is right.",
    "resolve host": "Check the host name in DATABASE_URL.",
    "bad value": "Correct it in DATABASE_URL.",
}
FILE_ADVICE = {
    errno.EACCES: "Give this user access to it.",
    errno.EROFS: "Give this user a place to write to.",
    errno.ENOSPC: "Free some space and run the command again.",
    errno.EDQUOT: "Free some space and run the command again.",
}


def main(arguments: list[str]) -> None:
    """Run one command. ``--traceback`` shows where an error came from.

    ``generate_master_key`` runs without settings, because they require a master key.
    """
    # Reopen streams that the parent process closed, so that no file gets their numbers.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115
    if arguments[1:2] == ["generate_master_key"]:
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        from .management.commands.generate_master_key import Command

        run = Command().run_from_argv
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gatewayproject.settings")
        trial.resume()
        if arguments[1:] and arguments[1] not in CREATE_DATABASE:
            _create_no_database()
        run = execute_from_command_line
    try:
        try:
            run(arguments)
        finally:  # also if --help ends the process
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as `head`, has exited
        _discard_output()
        sys.exit(OUTPUT_CLOSED)
    except (KeyboardInterrupt, EOFError) as error:
        if "--traceback" in arguments:
            raise
        interrupted = isinstance(error, KeyboardInterrupt)
        _fail("Interrupted." if interrupted else "The input ended too early.", interrupted)
    except (DatabaseError, InterfaceError, OSError) as error:
        if "--traceback" in arguments:
            raise
        _fail(_reason(error))


def _create_no_database() -> None:
    """Let SQLite open the database only if it exists."""
    database = settings.DATABASES["default"]
    if "sqlite3" in database["ENGINE"] and not Path(database["NAME"]).exists():
        database["NAME"] = f"file:{quote(database['NAME'])}?mode=rw"


def _discard_output() -> None:
    """Discard buffered output, so that Python does not report an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(reason: str, interrupted: bool = False) -> NoReturn:
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()
    print(reason, file=sys.stderr)
    sys.exit(INTERRUPTED if interrupted else 1)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        place = f": {error.filename}" if error.filename else ""
        return f"{reason}{place}. {FILE_ADVICE.get(error.errno or 0, '')}".rstrip()
    state, cause = getattr(error.__cause__, "sqlstate", ""), str(error.__cause__)
    name, host = (str(connection.settings_dict[key]) for key in ("NAME", "HOST"))
    if (
        state in MISSING_TABLE
        or cause.startswith(("no such table", "no such column"))
        or name.startswith("file:")
    ):
        place = unquote(name.removeprefix("file:").removesuffix("?mode=rw"))
        return (
            f"The database {place}{f' on {host}' if host else ''} is not prepared. If the service "
            "uses another, run the command with the service's settings. Otherwise, run: manage.py "
            "prepare"
        )
    [first, *_] = str(error).splitlines() or [type(error).__name__]
    file = name if connection.vendor == "sqlite" else ""
    reason = f"The database cannot be used: {first.rstrip('.')}{f' ({file})' if file else ''}."
    advice = next((advice for part, advice in ADVICE.items() if part in first), "")
    return f"{reason} {advice}".rstrip()
