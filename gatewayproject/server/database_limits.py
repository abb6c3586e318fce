"""Time limits for the database queries of pages. Commands and migrations have none.

A page that waits for a lock occupies one of a few threads. It fails instead, with 503 and
``Retry-After``.

On PostgreSQL, pages also set a lower cost for random reads, as on an SSD or in memory. With the
default, which is meant for spinning disks, searching and counting would read the whole table, which
takes twice as long as the covering index.

A standby, such as a demoted primary, counts as away: what it has may be old. A server becomes one
only by a restart, which ends its connections, so it is enough to check new ones.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

WsgiApp = Callable[[Any, Any], Iterable[bytes]]

READ_ONLY = "25006"  # the SQLSTATE
RANDOM_PAGE_COST = 1.1  # relative to a sequential read

_thread = threading.local()


def limit_database_time(app: WsgiApp) -> WsgiApp:
    """Give the database connections that ``app`` opens a time limit for locks and statements."""

    def limited(environ: Any, start_response: Any) -> Iterable[bytes]:
        limit_this_thread()
        return app(environ, start_response)

    return limited


def limit_this_thread() -> None:
    """Give the database connections that this thread opens the same limits."""
    _thread.serves_pages = True


def is_read_only(error: BaseException) -> bool:
    """Whether PostgreSQL refused to write because it is a standby or a demoted primary."""
    return getattr(error.__cause__, "sqlstate", "") == READ_ONLY


@receiver(connection_created, dispatch_uid="page limits")
def set_limits(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if not getattr(_thread, "serves_pages", False):
        return
    lock, statement = (
        int(seconds * 1000)
        for seconds in (settings.PAGE_LOCK_SECONDS, settings.PAGE_STATEMENT_SECONDS)
    )
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA busy_timeout = {lock}")
            return
        cursor.execute(
            "SELECT pg_is_in_recovery(), set_config('lock_timeout', %s, false),"
            " set_config('statement_timeout', %s, false),"
            " set_config('random_page_cost', %s, false)",
            [str(lock), str(statement), str(RANDOM_PAGE_COST)],
        )
        is_standby = cursor.fetchone()[0]
    if is_standby:
        connection.close()
        raise OperationalError("the server is a standby, which may be behind")
