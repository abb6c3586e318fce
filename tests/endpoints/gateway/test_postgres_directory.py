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
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from django.utils import timezone

from endpoints.gateway.lookup import authorization, query_sender
from endpoints.gateway.lookup.directory import DatabaseUnavailable
from endpoints.gateway.lookup.postgres import PostgresDirectory
from endpoints.gateway.lookup.query_sender import QuerySender
from endpoints.models import Endpoint, GatewayToken
from endpoints.services import create_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.environment import Environment
from tests.database_proxy import DatabaseProxy, database_proxy, parameters_through
from tests.installation import free_port

from .client import chat
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

    passed = {name: str(value) for name, value in directory._sender.parameters.items()}
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


@pytest.fixture
def proxy() -> Iterator[DatabaseProxy]:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    with database_proxy() as proxy:
        yield proxy


def test_a_request_does_not_wait_for_the_query_before_it(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it answered by that query, which may have been sent before a change."""
    monkeypatch.setattr(query_sender, "READ_SECONDS", 60)
    monkeypatch.setattr(query_sender, "MIN_PATIENCE", 60)  # so the first query is not sent again

    async def find_two() -> None:
        directory = PostgresDirectory(parameters_through(proxy))
        await directory.find("0" * 64, "")
        proxy.silent_connections.add(1)
        first = asyncio.create_task(directory.find("0" * 64, ""))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(30):
            assert await directory.find("0" * 64, "") is None
        assert not first.done()
        await directory.close()

    run(find_two())

    assert proxy.accepted == 2


def test_a_query_without_an_answer_is_sent_on_another_connection(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_sender, "READ_SECONDS", 60)

    async def find() -> None:
        directory = PostgresDirectory(parameters_through(proxy))
        await directory.find("0" * 64, "")
        proxy.silent_connections.add(1)
        async with asyncio.timeout(30):
            assert await directory.find("0" * 64, "") is None
            assert await directory.endpoints_for("0" * 64) == []
        await directory.close()

    run(find())

    assert proxy.accepted <= query_sender.CONNECTIONS


def test_many_requests_at_once_share_few_connections(proxy: DatabaseProxy) -> None:
    async def find() -> None:
        directory = PostgresDirectory(parameters_through(proxy))
        for _ in range(20):
            await asyncio.gather(*(directory.find("0" * 64, "") for _ in range(50)))
        await directory.close()

    run(find())

    assert 1 <= proxy.accepted <= query_sender.CONNECTIONS


def test_while_the_database_is_silent_one_request_waits_and_the_others_fail_at_once(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_sender, "READ_SECONDS", 1)
    monkeypatch.setattr(query_sender, "RETRY_DELAY", 0.05)

    async def find(directory: PostgresDirectory) -> bool:
        try:
            await directory.find("0" * 64, "")
        except DatabaseUnavailable:
            return False
        return True

    async def go_away() -> None:
        directory = PostgresDirectory(parameters_through(proxy))
        assert await find(directory)
        proxy.is_silent = True
        assert not await find(directory)
        began, accepted = time.monotonic(), proxy.accepted
        for _ in range(100):
            assert not await find(directory)
            with pytest.raises(DatabaseUnavailable):
                await directory.endpoints_for("0" * 64)
        assert time.monotonic() - began < 30  # each would have taken a second
        assert proxy.accepted <= accepted + 1  # one attempt at a time
        proxy.is_silent = False
        proxy.cut()
        async with asyncio.timeout(60):
            while not await find(directory):
                await asyncio.sleep(0.05)
        await directory.close()

    run(go_away())


def test_a_refused_second_connection_is_no_outage(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = QuerySender._connect
    refused = 0

    async def connect_once(sender: QuerySender) -> Any:
        nonlocal refused
        if sender._open > 1:
            refused += 1
            raise psycopg.OperationalError("too many connections")
        return await connect(sender)

    monkeypatch.setattr(QuerySender, "_connect", connect_once)

    async def find() -> list[Any]:
        directory = PostgresDirectory(parameters_through(proxy))
        found = []
        for _ in range(20):
            requests = []
            for _ in range(10):
                requests.append(asyncio.create_task(directory.find("0" * 64, "")))
                await asyncio.sleep(0.002)
            found += await asyncio.gather(*requests)
        await directory.close()
        return found

    assert run(find()) == [None] * 200
    assert refused


def test_a_server_that_no_longer_accepts_writes_is_left(
    proxy: DatabaseProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler, where a connection survives that its server is demoted."""
    monkeypatch.setattr(query_sender, "MIN_PATIENCE", 60)
    parameters = {**parameters_through(proxy), "target_session_attrs": "read-write"}

    async def find() -> None:
        directory = PostgresDirectory(parameters)
        await directory.find("0" * 64, "")
        await directory._sender._idle[0].execute("SET default_transaction_read_only = on")
        await directory.find("0" * 64, "")  # on a new connection
        await directory.close()

    run(find())

    assert proxy.accepted == 2


def test_tokens_expire_by_the_clock_of_the_database(
    endpoint: Endpoint, gateway: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite, the clock is that of this host")
    in_an_hour = timezone.now() + timedelta(hours=1)
    row = GatewayToken(name="short", all_endpoints=True, expires_at=in_an_hour)
    token = create_token(row, [], by=by)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=1)

    monkeypatch.setattr(authorization, "datetime", Tomorrow)
    assert chat(gateway, token).status == 200

    GatewayToken.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    assert chat(gateway, token).code == "token_expired"


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("pgbouncer does not listen")
