"""Every process that serves says so, every few seconds: where it runs and which master keys it has.

``rotate_master_key`` asks before it re-seals anything that one of them could not read. A request
never waits for this: it happens on a thread and a connection of its own. The connection is kept:
where a database has no more to give, a process that serves must not pass for gone.
"""

import asyncio
import logging
import os
import socket
import threading
import tomllib
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models.functions import Now

from apikeys.models import ServerProcess
from apikeys.sealing import master_keys
from apikeys.services import settle_erasing

logger = logging.getLogger(__name__)

PATIENCE = 3  # seconds that starting and ending wait for the database
SOON = 1  # seconds until a process that could not say it tries again


class Presence:
    """One process, as long as it serves."""

    def __init__(self) -> None:
        self.process = ServerProcess(host=socket.gethostname(), pid=os.getpid(), version=version())
        self._said, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._is_heard = True

    async def begin(self) -> None:
        """Be known before the first request, unless the database keeps us waiting."""
        if settings.HEARTBEAT_SECONDS:
            self._thread.start()
            await asyncio.to_thread(self._said.wait, PATIENCE)

    async def end(self) -> None:
        self._ends.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, PATIENCE)

    def _run(self) -> None:
        self._try(lambda: ServerProcess.objects.forgotten().delete())
        while not self._ends.is_set():
            self._try(self._beat)
            self._said.set()
            self._ends.wait(settings.HEARTBEAT_SECONDS if self._is_heard else SOON)
        self._try(lambda: ServerProcess.objects.filter(pk=self.process.pk).delete())
        connection.close()

    def _beat(self) -> None:
        self._say()
        settle_erasing()

    def _say(self) -> None:
        """Say it again, or anew where somebody has emptied the table."""
        values = {"master_keys": list(master_keys().fingerprints), "seen_at": Now()}
        if not ServerProcess.objects.filter(pk=self.process.pk).update(**values):
            for name, value in {**values, "started_at": Now()}.items():
                setattr(self.process, name, value)
            self.process.save(force_insert=True)

    def _try(self, act: Callable[[], object]) -> None:
        """While the database is away nobody rotates either: the next time will do."""
        close_old_connections()  # a broken one; on PostgreSQL one that still works is kept
        try:
            act()
        except (DatabaseError, InterfaceError) as error:
            if self._is_heard:
                logger.warning("Cannot say that this process serves: %s", type(error).__name__)
            self._is_heard = False
        else:
            self._is_heard = True


@cache
def version() -> str:
    """Return the version that ``pyproject.toml`` names."""
    try:
        text = (settings.BASE_DIR / "pyproject.toml").read_text()
    except OSError:  # not shipped
        return "unknown"
    return tomllib.loads(text)["project"]["version"]
