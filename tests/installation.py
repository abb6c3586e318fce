"""Gatehouse on a machine of its own: an empty data directory and database, run as commands."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import psycopg

from gatewayproject import keyring

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 180  # seconds: a machine that runs other tests as well is slow


@dataclass(frozen=True)
class Installation:
    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    checkout: Path = ROOT

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the whole environment of a process: of ours, only where to measure coverage."""
        coverage = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_PROCESS_")}
        return {
            **coverage,
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "DJANGO_SETTINGS_MODULE": "gatewayproject.settings",
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": str(self.data_dir),
            **self.settings,
            **settings,
        }

    def with_settings(self, **settings: str) -> "Installation":
        return replace(self, settings={**self.settings, **settings})

    def run_from(self, checkout: Path) -> "Installation":
        """Return the same installation, run by the code in another directory."""
        return replace(self, checkout=checkout)

    def copied_to(self, data_dir: Path, database: dict[str, str]) -> "Installation":
        """Return the same installation once more, in another directory and an empty database."""
        if self.data_dir.exists():  # only SQLite has a file there
            shutil.copytree(self.data_dir, data_dir)
        return Installation(data_dir, {**self.settings, **database})

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start Python with ``arguments`` in its checkout."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.checkout,
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
    def served(
        self, *options: str, socket_path: str = "", port: int = 0, **settings: str
    ) -> "Iterator[Server]":
        """Serve with ``options``, as docs/operations.md says, on a port or on a Unix socket."""
        port = 0 if socket_path else port or free_port()
        arguments = ["-m", "gatewayproject.server"]
        arguments += ["--uds", socket_path] if socket_path else ["--port", str(port)]
        arguments += options or ["--timeout-graceful-shutdown", "2"]
        with self.start(*arguments, **settings) as process:
            try:
                server = Server(port, process, socket_path)
                server.wait_until_ready()
                yield server
            finally:
                process.send_signal(signal.SIGTERM)
                server.log.append(process.communicate(timeout=TIMEOUT)[1])


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[str]
    socket_path: str = ""  # instead of the port
    log: list[str] = field(default_factory=list)  # filled when it has stopped

    def wait_until_ready(self) -> None:
        for _ in range(TIMEOUT * 20):
            if self.process.poll() is not None:
                raise RuntimeError(f"The server stopped: {self.process.stderr.read()}")
            try:
                self.connect(timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("The server does not listen.")

    def connect(self, *, timeout: float = 30) -> socket.socket:
        if not self.socket_path:
            return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(self.socket_path)
        except OSError:
            connection.close()
            raise
        return connection

    def sign_in(self, username: str, password: str, **headers: str) -> int:
        """Sign in as a browser does, and return the status; ``headers`` are those of a proxy."""
        page = self.ask("GET", "/login/")
        found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)
        form = {"username": username, "password": password, "csrfmiddlewaretoken": found[1]}
        sent = {
            "Cookie": page.headers["Set-Cookie"].partition(";")[0],
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        }
        return self.ask("POST", "/login/", urlencode(form), sent).status

    def ask(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float = 30,
    ) -> "Answer":
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.sock = self.connect(timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def say(self, raw: bytes) -> bytes:
        """Send bytes as they are and return everything that comes back."""
        with self.connect() as connection:
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
        "DRAIN_SECONDS": "0",
    }


@contextmanager
def own_database(copy_of: Installation | None = None) -> Iterator[dict[str, str]]:
    """Yield the settings of a database of one's own, of the kind that these tests run on.

    It is empty, or on PostgreSQL a copy of another installation's, which must not be in use.
    """
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield {}
        return
    name = f"gatehouse_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        template = ""
        if copy_of is not None:
            template = f" TEMPLATE {urlsplit(copy_of.settings['DATABASE_URL']).path[1:]}"
        connection.execute(f"CREATE DATABASE {name}{template}")
        try:
            yield {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
