"""A standby may be behind, so nothing is read from it, until it is promoted."""

from pathlib import Path

import pytest
from django.db import connection

from tests import postgres_cluster
from tests.endpoints.gateway.client import eventually
from tests.installation import Installation, Server, production_settings

PASSWORD = "correct horse battery"


def gateway_status(server: Server, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return server.ask("GET", "/gateway/v1/models", headers=headers).status


def test_nothing_is_read_from_a_standby_until_it_is_promoted(tmp_path: Path) -> None:
    if connection.vendor != "postgresql" or not postgres_cluster.is_installed():
        pytest.skip("needs PostgreSQL's programs")
    with postgres_cluster.primary() as primary:
        settings = {
            **production_settings(),
            "STATIC_ROOT": str(tmp_path / "static"),
            "DATABASE_URL": primary.url(),
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        installation = Installation(tmp_path / "data", settings)
        assert installation.manage("prepare").returncode == 0
        created = installation.manage("create_gateway_token", "mine", "--all-endpoints")
        assert created.returncode == 0, created.stderr
        token = created.stdout.split()[-1]
        session = {"Cookie": f"gatehouse_session={'a' * 32}"}

        with (
            postgres_cluster.standby_of(primary) as standby,
            installation.served(DATABASE_URL=standby.url()) as server,
        ):
            assert server.ask("GET", "/readyz").status == 503
            assert server.ask("GET", "/api-keys/", headers=session).status == 503
            assert gateway_status(server, token) == 503

            standby.promote()

            eventually(lambda: server.ask("GET", "/readyz").status == 200)
            eventually(lambda: gateway_status(server, token) == 200)
            assert server.ask("GET", "/api-keys/", headers=session).status == 302
            assert server.sign_in("admin", PASSWORD) == 302
