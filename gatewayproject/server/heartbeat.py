"""Heartbeats: every few seconds, each server process records that it runs, and its master keys.

``rotate_master_key`` reads them, and does not re-encrypt what a running process could not read.
Requests never wait for a heartbeat: it has its own thread and database connection. The connection
stays open, so that a live process is not taken for dead when the database has no free connections.
"""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models.functions import Now

from apikeys.models import ServerProcess
from apikeys.sealing import master_keys
from apikeys.services.sqlite_wal import settle_erasing
from gatewayproject.version import version

from .database_limits import limit_this_thread

logger = logging.getLogger(__name__)

MAX_WAIT = 3  # seconds that startup and shutdown wait for the database
RETRY_DELAY = 1  # seconds after a failure


class Heartbeat:
    """The heartbeat of this process."""

    def __init__(self) -> None:
        self.process = ServerProcess(host=socket.gethostname(), pid=os.getpid(), version=version())
        self._first_attempt, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._is_recorded = True

    async def start(self) -> None:
        """Record this process before its first request, unless the database is slow."""
        if settings.HEARTBEAT_SECONDS:
            self._thread.start()
            await asyncio.to_thread(self._first_attempt.wait, MAX_WAIT)

    async def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, MAX_WAIT)

    def _run(self) -> None:
        limit_this_thread()
        self._try(lambda: ServerProcess.objects.forgotten().delete())
        while not self._stopping.is_set():
            self._try(self._record)
            if self._is_recorded:
                self._try(settle_erasing)
            self._first_attempt.set()
            self._stopping.wait(settings.HEARTBEAT_SECONDS if self._is_recorded else RETRY_DELAY)
        self._try(lambda: ServerProcess.objects.filter(pk=self.process.pk).delete())
        connection.close()

    def _record(self) -> None:
        """Update the row of this process. Insert it the first time, or if it was deleted."""
        values = {"master_keys": list(master_keys().fingerprints), "seen_at": Now()}
        if not ServerProcess.objects.filter(pk=self.process.pk).update(**values):
            for name, value in {**values, "started_at": Now()}.items():
                setattr(self.process, name, value)
            self.process.save(force_insert=True)

    def _try(self, action: Callable[[], object]) -> None:
        """Log a database error: without a database, no rotation can run either."""
        close_old_connections()  # only a broken one, on PostgreSQL
        try:
            action()
        except (DatabaseError, InterfaceError) as error:
            if self._is_recorded:
                logger.warning(
                    "Could not record that this process is running: %s", type(error).__name__
                )
            self._is_recorded = False
        else:
            self._is_recorded = True
