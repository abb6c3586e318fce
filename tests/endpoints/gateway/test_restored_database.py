"""A backup that is moved over the database while a gateway runs."""

import asyncio
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import connection

from endpoints.gateway.lookup import sqlite
from endpoints.gateway.lookup.directory import DatabaseUnavailable
from endpoints.gateway.lookup.sqlite import SqliteDirectory
from endpoints.models import Endpoint

from .event_loops import run

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only")


@pytest.fixture
def database(token: str, endpoint: Endpoint, tmp_path: Path) -> Path:
    """A copy of the database, which a test may replace."""
    path = tmp_path / "gatehouse.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    return path


@pytest.fixture
def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def test_a_restored_backup_applies_soon_after(
    database: Path, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECK_FILE_EVERY", 0.05)
    backup = database.with_name("backup.sqlite3")
    backup.write_bytes(database.read_bytes())
    with sqlite3.connect(backup) as copy:
        copy.execute("UPDATE endpoints_gatewaytoken SET revoked_at = '2026-01-01 00:00:00'")

    async def restore() -> tuple[bool, bool]:
        directory = SqliteDirectory(str(database))
        before = await directory.find(digest, "search")
        backup.replace(database)
        async with asyncio.timeout(30):
            while not (after := await directory.find(digest, "search")).revoked:
                await asyncio.sleep(0.05)
        await directory.close()
        return before.revoked, after.revoked

    assert run(restore()) == (False, True)


def test_a_deleted_database_is_unavailable_and_not_created_again(
    database: Path, digest: str
) -> None:
    database.unlink()

    with pytest.raises(DatabaseUnavailable):
        run(SqliteDirectory(str(database)).find(digest, "search"))

    assert not database.exists()
