"""The gateway's connection to PostgreSQL: as strict as the URL says, to any of its hosts."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from endpoints.gateway.lookup.postgres import PostgresDirectory
from gatewayproject.environment import Environment
from tests.installation import free_port

from .event_loops import run

pytestmark = pytest.mark.django_db


def directory_for(url: str, monkeypatch: pytest.MonkeyPatch, settings: Any) -> PostgresDirectory:
    """Return a directory for ``url``, through the settings and Django's own parameters."""
    monkeypatch.setenv("SOME_URL", url)
    database = {**connections.databases["default"], **Environment().database("SOME_URL", "")}
    database["OPTIONS"] = {**connections.databases["default"]["OPTIONS"], **database["OPTIONS"]}
    backend = connections["default"].__class__(database, "other")
    return PostgresDirectory(backend.get_connection_params())


def test_every_option_of_libpq_is_passed_on(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    options = {
        "channel_binding": "require",
        "gssencmode": "disable",
        "keepalives_idle": "7",
        "require_auth": "scram-sha-256",
        "sslcrl": "/etc/gatehouse/crl.pem",
        "tcp_user_timeout": "3000",
        "connect_timeout": "2",
    }
    query = "&".join(f"{name}={value}" for name, value in options.items())
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")

    directory = directory_for(f"postgresql://u@a:7441,b:7442/gh?{query}", monkeypatch, settings)

    passed = {name: str(value) for name, value in directory._parameters.items()}
    assert options.items() <= passed.items()
    assert (passed["host"], passed["port"]) == ("a,b", "7441,7442")


def test_a_silent_first_host_does_not_keep_the_second_from_serving(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    real = connection.get_connection_params()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # those that wait fill its queue: no other request is served
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        silent = listener.getsockname()[1]
        hosts = f"127.0.0.1:{silent},{real['host']}:{real.get('port', 5432)}"
        account = f"{real['user']}:{real.get('password', '')}"
        directory = directory_for(
            f"postgresql://{account}@{hosts}/{real['dbname']}?target_session_attrs=read-write",
            monkeypatch,
            settings,
        )

        async def find_and_close() -> None:
            assert await directory.find("0" * 64, "no-such-endpoint") is None
            await directory.close()

        started = time.monotonic()
        run(find_and_close())

    assert time.monotonic() - started < 5


@pytest.fixture
def pooler() -> Iterator[int]:
    """The port of a PgBouncer in transaction mode, in front of the database of the tests."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if connection.vendor != "postgresql" or program is None:
        pytest.skip("needs PostgreSQL and pgbouncer")
    place = Path(tempfile.mkdtemp(prefix="gatehouse-pooler-"))
    server, port = connection.get_connection_params(), free_port()
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": 2,
        "logfile": place / "log",
    }
    target = f"host={server['host']} port={server.get('port', 5432)} user={server['user']}"
    if server.get("password"):
        target += f" password={server['password']}"
    lines = ["[databases]", f"* = {target}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in settings.items()]
    (place / "pgbouncer.ini").write_text("\n".join(lines))
    place.chmod(0o755)  # as root, it becomes another user
    (place / "log").touch()
    (place / "log").chmod(0o666)
    command = [program, place / "pgbouncer.ini"]
    if os.geteuid() == 0:  # it refuses to run as root
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(place)


def test_a_pooler_that_shares_connections_serves_every_lookup(pooler: int) -> None:
    parameters = {**connection.get_connection_params(), "host": "127.0.0.1", "port": pooler}

    async def many() -> list[Any]:
        directories = [PostgresDirectory(parameters) for _ in range(6)]
        found = []
        for _ in range(10):
            found += await asyncio.gather(
                *(directory.find("0" * 64, "no-such-endpoint") for directory in directories),
                *(directory.endpoints_for("0" * 64) for directory in directories),
            )
        for directory in directories:
            await directory.close()
        return found

    assert run(many()) == ([None] * 6 + [[]] * 6) * 10


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("pgbouncer does not listen")
