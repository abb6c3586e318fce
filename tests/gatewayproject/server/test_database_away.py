"""The database is unreachable, locked or deleted: a page explains it, and no write is partial."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.test import Client

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from gatewayproject.accounts.models import AuditEvent
from tests import fakes, route_forms
from tests.endpoints.gateway.client import eventually
from tests.installation import Installation, Server

SESSION = {"Cookie": f"gatehouse_session={'a' * 32}"}
AWAY = "postgresql://gatehouse@127.0.0.1:1/gatehouse"


@pytest.fixture(scope="module")
def cut_off(prepared: Installation) -> Iterator[Server]:
    """A server whose database does not answer."""
    with prepared.served(DATABASE_URL=AWAY) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/api-keys/", "/login/", "/admin/"])
def test_pages_return_503_while_the_database_is_unavailable(cut_off: Server, path: str) -> None:
    answer = cut_off.ask("GET", path, headers=SESSION)

    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert "<h1" in answer.text
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_process_is_alive_but_not_ready_while_the_database_is_unavailable(
    cut_off: Server,
) -> None:
    assert cut_off.ask("GET", "/healthz").status == 200
    assert cut_off.ask("GET", "/readyz").status == 503


def test_signing_in_returns_503_while_the_database_is_unavailable(cut_off: Server) -> None:
    cookie = cut_off.ask("GET", "/login/").headers["Set-Cookie"]
    name, _, token = cookie.partition(";")[0].partition("=")
    form = f"username=olga&password=CANARY&csrfmiddlewaretoken={token}"
    headers = {
        "Cookie": f"{name}={token}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"http://127.0.0.1:{cut_off.port}",
    }

    answer = cut_off.ask("POST", "/login/", form, headers)

    assert answer.status == 503
    assert "CANARY" not in answer.text


def test_a_database_that_comes_back_is_used_again(tmp_path: Path, prepared: Installation) -> None:
    file = Installation(tmp_path, prepared.settings).with_settings(DATABASE_URL="")
    assert file.manage("prepare").returncode == 0
    database, elsewhere = tmp_path / "gatehouse.sqlite3", tmp_path / "elsewhere"

    with file.served() as server:
        assert server.ask("GET", "/readyz").status == 200
        database.rename(elsewhere)
        assert server.ask("GET", "/readyz").status == 503
        assert server.ask("GET", "/", headers=SESSION).status == 503

        elsewhere.rename(database)
        assert server.ask("GET", "/readyz").status == 200
        assert server.ask("GET", "/", headers=SESSION).status == 302


def test_a_read_only_database_returns_503_and_is_disconnected(
    installation: Installation,
) -> None:
    url = installation.settings.get("DATABASE_URL")
    if not url:
        pytest.skip("SQLite knows no standby")
    installation = installation.with_settings(DJANGO_SUPERUSER_PASSWORD="correct horse")
    assert installation.manage("prepare").returncode == 0
    name = url.rpartition("/")[2]

    with (
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as administrator,
        installation.served() as server,
    ):
        assert server.ask("GET", "/readyz").status == 200
        administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        eventually(lambda: server.ask("GET", "/readyz").text == "the database is read-only\n")
        assert server.sign_in("admin", "correct horse") == 503
        refused = installation.manage(
            "create_api_key", "mine", "--provider", "openai", stdin=fakes.OPENAI_KEY
        )

        administrator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert server.ask("GET", "/readyz").status == 200
        eventually(lambda: server.sign_in("admin", "correct horse") == 302)

    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert line.endswith("Name the primary server in DATABASE_URL.")


@contextmanager
def locked_database() -> Iterator[None]:
    """Let another process lock what we are about to write."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout = 100")
            other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("SET lock_timeout = '100ms'")
            other = psycopg.connect(**connection.get_connection_params())
            other.execute("LOCK TABLE endpoints_endpoint IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        other.close()
        connection.close()  # and with it the short timeout


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_locked_nothing_is_half_written(
    client: Client, make_key: Callable[..., ApiKey]
) -> None:
    make_key("my-openai-key")
    form = route_forms.form(route_forms.row(0, "my-openai-key", "gpt-5-mini"))

    with locked_database():
        response = client.post("/endpoints/new/", form)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert not Endpoint.objects.exists()
    assert not AuditEvent.objects.filter(subject_type="endpoint").exists()
    assert client.post("/endpoints/new/", form).status_code == 302
