"""Secrets that cannot be mistaken for anything else, and the places where one must not turn up."""

import io
import json
import logging
import re
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import choice, token_hex
from string import ascii_uppercase, digits
from zlib import decompress
from zlib import error as NotCompressed

from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.signals import request_started
from django.db import connection, connections

from tests.database_files import content_of_database_files

from .person import Person
from .serving import Exchange

Places = dict[str, bytes]


def canary(prefix: str = "sk-proj-") -> str:
    """Return a secret with characters in it that URLs and HTML write differently."""
    return f"{prefix}{token_hex(10)}+/&<{token_hex(10)}"


def aws_canary() -> str:
    """Return what looks like an AWS access key ID."""
    return "AKIA" + "".join(choice(ascii_uppercase + digits) for _ in range(16))


def traces(secret: str) -> set[bytes]:
    """Return what would be left of ``secret``: plain or escaped in any way, in hex, in base64."""
    found = set()
    for piece in re.findall(rb"[A-Za-z0-9_-]{12,}", secret.encode()):  # no escaping changes these
        found |= {piece, piece.hex().encode()}
        for shift in range(3):  # wherever it stands in what was encoded
            encoded = b64encode(bytes(shift) + piece)
            found.add(encoded[-(-8 * shift // 6) : 8 * (shift + len(piece)) // 6])
    return found


def leaks(secrets: dict[str, str], places: Places) -> list[str]:
    """Return which secret is found where."""
    return sorted(
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, content in places.items()
        if any(trace in content for trace in traces(secret))
    )


def places_of(exchanges: list[Exchange], people: list[Person], log: io.StringIO) -> Places:
    """Return everything that is kept or was shown, but for the bodies of POST requests."""
    return {
        "answers": b"\n".join(
            bytes(exchange.answer) + _joined(exchange.answer_headers) for exchange in exchanges
        ),
        "addresses": "\n".join(
            [exchange.target for exchange in exchanges]
            + [request.url for person in people for request in person.watch.requests]
        ).encode(),
        "request headers": b"\n".join(_joined(exchange.request_headers) for exchange in exchanges),
        "cookies": b"\n".join(_cookies(exchanges)),
        "log": log.getvalue().encode(),
        "database": b"\n".join(_database()),
        "sessions": "\n".join(str(row.get_decoded()) for row in Session.objects.all()).encode(),
        "dumpdata": _dumpdata(),
        "browser storage": b"\n".join(_storage(person) for person in people),
    }


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Log all there is, SQL with its parameters included, whatever the settings say."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    loggers = [
        logging.getLogger(),
        *map(logging.getLogger, list(logging.Logger.manager.loggerDict)),
    ]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]

    def log_sql(**kwargs: object) -> None:
        connections["default"].force_debug_cursor = True

    logging.getLogger().addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    request_started.connect(log_sql)
    try:
        yield log
    finally:
        request_started.disconnect(log_sql)
        logging.getLogger().removeHandler(handler)
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate


def _joined(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"\n".join(name + b": " + value for name, value in headers)


def _cookies(exchanges: list[Exchange]) -> Iterator[bytes]:
    """Yield each cookie that was set; Django packs messages, so also unpacked."""
    for exchange in exchanges:
        for name, value in exchange.answer_headers:
            if name != b"set-cookie":
                continue
            yield value
            packed = value.partition(b"=")[2].partition(b":")[0].strip(b'"')
            with suppress(ValueError, NotCompressed):
                yield decompress(
                    urlsafe_b64decode(packed.lstrip(b".") + b"=" * (-len(packed) % 4 + 1))
                )


def _database() -> Iterator[bytes]:
    """Yield the bytes of the database's files, or each row of each table as text."""
    if connection.vendor == "sqlite":
        yield content_of_database_files()
        return
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            yield "\n".join(row for (row,) in cursor.fetchall()).encode()


def _dumpdata() -> bytes:
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    return dump.getvalue().encode()


def _storage(person: Person) -> bytes:
    session = person.page.evaluate("() => JSON.stringify(sessionStorage)") if person.scripts else ""
    return json.dumps([person.page.context.storage_state(), session]).encode()
