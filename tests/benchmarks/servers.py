"""The three that are compared: the provider itself, a bare relay before it, and the gateway."""

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SEED = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
from gatewayproject.accounts.actors import Actor
from apikeys.models import AuthScheme, KeyDraft
from apikeys.sealing import Secrets
from apikeys.services import create_api_key
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.services import create_endpoint, create_token
by = Actor("benchmark", channel="command")
scheme = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
draft = KeyDraft(scheme, {"name": "bench"}, {"api_base": "%s/v1"},
                 Secrets(api_key="sk-made-up-for-the-benchmark-0000"))
key = create_api_key(draft.check(), by=by).api_key
for name, model in (("small", "gpt-5-mini"), ("stream", "stream-50-4"), ("paced", "stream-50-100")):
    create_endpoint(Endpoint(name=name), [Route(api_key=key, model=model)], by=by)
print(create_token(GatewayToken(name="bench", all_endpoints=True), [], by=by))
"""


@dataclass
class Server:
    """A server that runs: where, and as which process."""

    name: str
    url: str
    process: subprocess.Popen[str]
    token: str = "bare"
    environment: dict[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """Return what the server and its workers have used so far."""
        return sum(_cpu_seconds(pid) for pid in self.pids())

    def resident_mb(self) -> float:
        return sum(_resident_mb(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]


@contextmanager
def all_three(*, workers: int = 1) -> Iterator[dict[str, Server]]:
    """Start provider, bare relay and gateway, each a process of its own."""
    with ExitStack() as stack:
        provider = stack.enter_context(_provider())
        bare = stack.enter_context(
            _uvicorn("bare relay", "tests.benchmarks.bare_relay:application", TARGET=provider.url)
        )
        gateway = stack.enter_context(gateway_before(provider, workers=workers))
        yield {"provider": provider, "bare": bare, "gateway": gateway}


@contextmanager
def _provider() -> Iterator[Server]:
    command = [sys.executable, "-m", "gatewayproject.demo.provider", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        yield Server("provider", re.search(r"http://\S+", line)[0], process)  # type: ignore[index]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def gateway_before(provider: Server, *, workers: int = 1) -> Iterator[Server]:
    """Start a gateway with a database of its own, and endpoints that lead to ``provider``."""
    with tempfile.TemporaryDirectory() as data, _database() as database:
        environment = {
            **os.environ,
            **database,
            "DJANGO_SETTINGS_MODULE": "gatewayproject.settings",
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": data,
            "STATIC_ROOT": f"{data}/static",
            "DEBUG": "false",
            "HTTPS": "false",
            "ALLOWED_HOSTS": "127.0.0.1",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "FERNET_KEYS": secrets.token_urlsafe(32) + "=",
            "ALLOWED_PRIVATE_ORIGINS": provider.url,
            "LOG_LEVEL": "WARNING",
        }
        token = subprocess.run(
            [sys.executable, "-c", _SEED % provider.url],
            cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.split()[-1]  # fmt: skip
        options = ["--http", "gatewayproject.server.uvicorn_limits:Protocol"]
        options += ["--workers", str(workers)] if workers > 1 else []
        app = "gatewayproject.asgi:application"
        with _uvicorn("gateway", app, *options, **environment) as server:
            server.token, server.environment = token, environment
            yield server


@contextmanager
def _database() -> Iterator[dict[str, str]]:
    """Where DATABASE_URL names a PostgreSQL server, make a database there for this run."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield {}
        return
    import psycopg

    name = f"gatehouse_bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {"DATABASE_URL": f"{url.rpartition('/')[0]}/{name}"}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _uvicorn(name: str, app: str, *options: str, **environment: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log",
        "--log-level", "warning", *options,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(port)
        yield Server(name, url, process)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server did not start")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]
