"""The gateway as it is served: the real ASGI application on a socket, in a thread of the tests."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote

import uvicorn
from django.db import connection

from gatewayproject.asgi import application, stop_gateway
from gatewayproject.server.uvicorn_limits import Protocol


@dataclass
class Served:
    """A running server. The gateway in it can be made to start afresh."""

    url: str
    loop: asyncio.AbstractEventLoop

    def start_afresh(self) -> None:
        """Stop the gateway as the end of the server does; the next request starts another."""
        asyncio.run_coroutine_threadsafe(stop_gateway(), self.loop).result(timeout=20)


@contextmanager
def gateway_running() -> Iterator[Served]:
    """Serve until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=Protocol,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    server, loop = uvicorn.Server(config), asyncio.new_event_loop()
    serving = server.serve(sockets=[listener])
    thread = threading.Thread(target=loop.run_until_complete, args=[serving], daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", loop)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


@contextmanager
def another_process_running() -> Iterator[str]:
    """Serve the same database from a process of its own, and yield its URL."""
    with another_process() as (url, _):
        yield url


@contextmanager
def another_process() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same, for who has something to do to the process as well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {**os.environ, "DATABASE_URL": _database_url(), "LOG_LEVEL": "WARNING"}
    environment["ALLOWED_PRIVATE_ORIGINS"] = "http://127.0.0.1:*"
    environment["DJANGO_SETTINGS_MODULE"] = "gatewayproject.settings"
    command = [sys.executable, "-m", "uvicorn", "gatewayproject.asgi:application"]
    command += ["--http", "gatewayproject.server.uvicorn_limits:Protocol"]
    process = subprocess.Popen([*command, "--port", str(port), "--no-access-log"], env=environment)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _database_url() -> str:
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    user = quote(facts["USER"]) + (f":{quote(facts['PASSWORD'])}" if facts["PASSWORD"] else "")
    return f"postgresql://{user}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


def _wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError("the other process does not listen")
