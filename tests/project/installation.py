"""Gatehouse on a machine of its own: an empty data directory and database, run as commands."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from gatewayproject import keyring

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 60  # seconds


@dataclass(frozen=True)
class Installation:
    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the whole environment of a process: nothing of ours gets in."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "DJANGO_SETTINGS_MODULE": "gatewayproject.settings",
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": str(self.data_dir),
            **self.settings,
            **settings,
        }

    def with_settings(self, **settings: str) -> "Installation":
        return Installation(self.data_dir, {**self.settings, **settings})

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start Python with ``arguments`` in the checkout."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def manage(
        self, *arguments: str, stdin: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` to its end and return what it printed."""
        with self.start("manage.py", *arguments, **settings) as process:
            out, err = process.communicate(stdin, timeout=TIMEOUT)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @contextmanager
    def served(self, **settings: str) -> "Iterator[Server]":
        """Serve with uvicorn, as ``make run`` does."""
        port = _free_port()
        arguments = ["-m", "uvicorn", "gatewayproject.asgi:application", "--port", str(port)]
        arguments += ["--http", "gatewayproject.heads:Protocol"]
        arguments += ["--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "2"]
        with self.start(*arguments, **settings) as process:
            try:
                server = Server(port, process)
                server.wait_until_ready()
                yield server
            finally:
                process.send_signal(signal.SIGTERM)
                server.log.append(process.communicate(timeout=TIMEOUT)[1])


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)  # filled when it has stopped

    def wait_until_ready(self) -> None:
        for _ in range(TIMEOUT * 20):
            if self.process.poll() is not None:
                raise RuntimeError(f"The server stopped: {self.process.stderr.read()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("The server does not listen.")

    def ask(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> "Answer":
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def say(self, raw: bytes) -> bytes:
        """Send bytes as they are and return everything that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


def production_settings() -> dict[str, str]:
    return {
        "SECRET_KEY": keyring.generate_secret_key(),
        "FERNET_KEYS": keyring.generate_master_key(),
        "ALLOWED_HOSTS": "127.0.0.1,gatehouse.example",
        "HTTPS": "false",
    }


@contextmanager
def empty_database() -> Iterator[dict[str, str]]:
    """Yield the settings of a database of one's own, of the kind that these tests run on."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield {}
        return
    name = f"gatehouse_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
