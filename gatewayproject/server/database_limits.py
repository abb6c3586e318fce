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

import psycopg
from django.conf import settings
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

WsgiApp = Callable[[Any, Any], Iterable[bytes]]

ANSWER_SECONDS = 1  # for the server to report that a statement took too long
HEALTH_SECONDS = 2  # for a kept connection to respond before it is used again
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
    _thread.is_limited = True


def is_read_only(error: BaseException) -> bool:
    """Whether PostgreSQL refused to write because it is a standby or a demoted primary."""
    return getattr(error.__cause__, "sqlstate", "") == READ_ONLY


@receiver(connection_created, dispatch_uid="page limits")
def set_limits(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if not getattr(_thread, "is_limited", False):
        return
    lock, statement = (
        int(seconds * 1000)
        for seconds in (settings.PAGE_LOCK_SECONDS, settings.PAGE_STATEMENT_SECONDS)
    )
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA busy_timeout = {lock}")
            return
        if statement:
            _limit_waits(connection, settings.PAGE_STATEMENT_SECONDS + ANSWER_SECONDS)
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


def _limit_waits(wrapper: Any, seconds: float) -> None:
    """Close the connection of ``wrapper`` if the server does not respond in time.

    TCP does not notice a server that is stopped, or a proxy that forwards nothing: the kernel there
    still acknowledges packets.
    """
    connection: psycopg.Connection = wrapper.connection
    wait = connection.wait

    def wait_in_time(gen: Any, **options: Any) -> Any:
        is_kept = wrapper.health_check_enabled and not wrapper.health_check_done
        options["timeout"] = HEALTH_SECONDS if is_kept else seconds
        try:
            return wait(gen, **options)
        except psycopg.OperationalError:
            if connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                connection.close()  # the time is over, and its statement may still be running
            raise

    connection.wait = wait_in_time  # type: ignore[assignment,method-assign]
