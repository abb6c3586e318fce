"""``GATEWAY_MAX_STALENESS``, as clients, load balancers and Prometheus see it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.endpoints.gateway.client import eventually
from tests.installation import Answer, Installation, Server

METRICS_TOKEN = "made-up-token-of-the-metrics"
GAUGE = "gatehouse_database_stale_seconds "


@contextmanager
def database_away(installation: Installation) -> Iterator[None]:
    """Nobody can connect to the database while the block runs."""
    url = installation.settings.get("DATABASE_URL", "")
    if not url:
        path = Path(installation.data_dir) / "gatehouse.sqlite3"
        elsewhere = path.rename(path.with_name("elsewhere"))
        try:
            yield
        finally:
            elsewhere.rename(path)
        return
    name = urlsplit(url).path[1:]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.fixture
def tokens(installation: Installation) -> list[str]:
    """Two gateway tokens."""
    assert installation.manage("prepare").returncode == 0
    created = [
        installation.manage("create_gateway_token", name, "--all-endpoints")
        for name in ("seen", "unseen")
    ]
    return [result.stdout.split()[-1] for result in created]


def models(server: Server, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    return server.ask("GET", "/gateway/v1/models", headers=headers)


def stale_seconds(server: Server) -> float:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    answer = server.ask("GET", "/metrics", headers=headers)
    assert answer.status == 200
    [line] = [line for line in answer.text.splitlines() if line.startswith(GAUGE)]
    return float(line.removeprefix(GAUGE))


def test_what_was_seen_is_served_and_marked_while_the_database_is_away(
    installation: Installation, tokens: list[str]
) -> None:
    seen, unseen = tokens
    settings = {"GATEWAY_MAX_STALENESS": "3600", "METRICS_TOKEN": METRICS_TOKEN}
    with installation.served(**settings) as server:
        assert models(server, seen).headers["x-gatehouse-stale"] is None
        assert server.ask("GET", "/readyz").text == "ready\n"
        assert stale_seconds(server) == 0

        with database_away(installation):
            eventually(lambda: models(server, seen).headers["x-gatehouse-stale"])
            stale = models(server, seen)
            assert stale.status == 200
            assert int(stale.headers["x-gatehouse-stale"]) > 0
            refused = models(server, unseen)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
            ready = server.ask("GET", "/readyz")
            assert (ready.status, ready.text) == (
                200,
                "only the gateway is ready: the database is not available\n",
            )
            assert stale_seconds(server) > 0
            session = {"Cookie": f"gatehouse_session={'a' * 32}"}
            assert server.ask("GET", "/", headers=session).status == 503

        eventually(lambda: models(server, seen).headers["x-gatehouse-stale"] is None)
        assert models(server, seen).status == models(server, unseen).status == 200
        eventually(lambda: server.ask("GET", "/readyz").text == "ready\n")
        assert stale_seconds(server) == 0

    log = server.log[0]
    assert log.count("cannot read its database") == log.count("reads its database again") == 1


def test_nothing_is_served_from_memory_by_default(
    installation: Installation, tokens: list[str]
) -> None:
    with installation.served() as server:
        assert models(server, tokens[0]).status == 200

        with database_away(installation):
            eventually(lambda: models(server, tokens[0]).status == 503)
            assert server.ask("GET", "/readyz").status == 503

        eventually(lambda: models(server, tokens[0]).status == 200)
