"""What transactional tests leave behind is deleted, and what ``migrate`` created is restored.

Django flushes all tables and then sends ``post_migrate``, which creates permissions and providers
anew: 75 ms a test. This compares the few tables that ``migrate`` fills, and deletes the rest.
"""

from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

Rows = list[tuple[Any, ...]]


class Pristine:
    """The rows of a database to which nothing but ``migrate`` happened."""

    def __init__(self) -> None:
        tables = connection.introspection.django_table_names(only_existing=True)
        read = {table: _rows(table) for table in sorted(tables)}
        self.filled = {table: rows for table, rows in read.items() if rows}
        self.empty = [table for table, rows in read.items() if not rows]

    def restore(self) -> None:
        changed = {table: rows for table, rows in self.filled.items() if _rows(table) != rows}
        with transaction.atomic(), connection.cursor() as cursor:
            for table in (*self.empty, *changed):
                cursor.execute(f"DELETE FROM {_quoted(table)}")
            for table, rows in changed.items():
                places = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f"INSERT INTO {_quoted(table)} VALUES ({places})", rows)


def _rows(table: str) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {_quoted(table)} ORDER BY 1")
        return cursor.fetchall()


def _quoted(table: str) -> str:
    return connection.ops.quote_name(table)


def restore_instead_of_flushing() -> None:
    """Call it once the test database is there."""
    pristine = Pristine()
    TransactionTestCase._fixture_teardown = lambda self: pristine.restore()
