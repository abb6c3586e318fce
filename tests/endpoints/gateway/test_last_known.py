"""What was last read, while the database is away: SQLite's file is moved, so all of it is real."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from endpoints.gateway.http.problems import Refusal
from endpoints.gateway.lookup import last_known, sqlite
from endpoints.gateway.lookup.authorization import check_admission
from endpoints.gateway.lookup.directory import DatabaseUnavailable
from endpoints.gateway.lookup.last_known import (
    LastKnownDirectory,
    can_serve_stale,
    stale_seconds,
)
from endpoints.gateway.lookup.sqlite import SqliteDirectory
from endpoints.models import Endpoint, GatewayToken
from endpoints.services import create_token
from gatewayproject.accounts.actors import Actor
from tests.conftest import MakeEndpoint

from .event_loops import run

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only")

MAX = 60  # seconds


class Database:
    """A copy of the database that can be changed, and moved out of the way."""

    def __init__(self, path: Path) -> None:
        self.path, self.elsewhere = path, path.with_name("elsewhere")

    def execute(self, statement: str) -> None:
        path = self.path if self.path.exists() else self.elsewhere
        other = sqlite3.connect(path, isolation_level=None)
        other.execute(statement)
        other.close()

    async def go_away(self) -> None:
        self.path.rename(self.elsewhere)
        await asyncio.sleep(0)  # the directory looks once in each turn of the loop

    async def come_back(self) -> None:
        self.elsewhere.rename(self.path)
        await asyncio.sleep(0)

    async def change(self, statement: str) -> None:
        self.execute(statement)
        await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The time, which stands still unless a test moves it."""

    class Clock:
        now = 1_000.0

    monkeypatch.setattr(last_known, "_now", lambda: Clock.now)
    monkeypatch.setattr(sqlite, "CHECK_FILE_EVERY", -1)
    return Clock


@pytest.fixture
def other_token(gateway: str, by: Actor) -> str:
    return create_token(GatewayToken(name="others", all_endpoints=True), [], by=by)


@pytest.fixture
def database(
    token: str,
    other_token: str,
    endpoint: Endpoint,
    make_endpoint: MakeEndpoint,
    tmp_path: Path,
    clock: Any,
) -> Database:
    """It has two tokens for all endpoints, and two endpoints with the same key."""
    make_endpoint("answers", endpoint.routes.get().api_key)
    path = tmp_path / "gatehouse.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    return Database(path)


def digest_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def with_directory(
    database: Database,
    test: Callable[[LastKnownDirectory], Coroutine[Any, Any, None]],
    *,
    max_staleness: float = MAX,
) -> None:
    async def run_test() -> None:
        directory = LastKnownDirectory(SqliteDirectory(str(database.path)), max_staleness)
        try:
            await test(directory)
        finally:
            await directory.close()

    run(run_test())


def test_what_was_read_serves_for_the_time_allowed(
    database: Database, token: str, clock: Any
) -> None:
    digest = digest_of(token)

    async def test(directory: LastKnownDirectory) -> None:
        fresh = await directory.find(digest, "search")
        listed = await directory.endpoints_for(digest)
        await database.go_away()
        clock.now += MAX - 0.5
        stale = await directory.find(digest, "search")

        assert fresh is not None
        assert stale is not None
        assert (fresh.stale_seconds, stale.stale_seconds) == (None, MAX)
        assert stale.routes == fresh.routes
        assert (await directory.find(digest, "")).stale_seconds == MAX  # type: ignore[union-attr]
        assert await directory.endpoints_for(digest) == listed
        assert (can_serve_stale(), stale_seconds()) == (True, MAX - 0.5)

        clock.now += 1
        for name in ("search", ""):
            with pytest.raises(DatabaseUnavailable):
                await directory.find(digest, name)
        with pytest.raises(DatabaseUnavailable):
            await directory.endpoints_for(digest)
        assert not can_serve_stale()

    with_directory(database, test)


def test_nothing_serves_without_the_setting(database: Database, token: str) -> None:
    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest_of(token), "search")
        await database.go_away()
        with pytest.raises(DatabaseUnavailable):
            await directory.find(digest_of(token), "search")

    with_directory(database, test, max_staleness=0)


def test_what_was_not_read_does_not_serve(database: Database, token: str, other_token: str) -> None:
    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest_of(token), "search")
        await directory.find(digest_of(other_token), "answers")
        await directory.find(digest_of(token), "no-such-endpoint")
        await database.go_away()
        for digest, name in (
            ("0" * 64, "search"),
            ("0" * 64, ""),
            (digest_of(token), "answers"),  # only the other token used it
            (digest_of(token), "no-such-endpoint"),  # it may exist by now
        ):
            with pytest.raises(DatabaseUnavailable):
                await directory.find(digest, name)
        with pytest.raises(DatabaseUnavailable):
            await directory.endpoints_for(digest_of(token))

    with_directory(database, test)


@pytest.mark.parametrize(
    ("change", "seen_by", "code"),
    [
        ("UPDATE endpoints_gatewaytoken SET revoked_at = '2026-01-01'", "answers", "token_revoked"),
        ("UPDATE endpoints_endpoint SET enabled = 0", "search", "endpoint_disabled"),
    ],
)
def test_what_one_request_saw_changed_is_changed_for_all(
    database: Database, token: str, other_token: str, change: str, seen_by: str, code: str
) -> None:
    digest, other = digest_of(token), digest_of(other_token)

    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest, "search")
        await database.change(change)
        # Another endpoint of the same token, or the same endpoint of another token.
        await directory.find(digest if seen_by == "answers" else other, seen_by)
        await database.go_away()
        with pytest.raises(Refusal) as refused:
            check_admission(await directory.find(digest, "search"), "search")
        assert refused.value.code == code

    with_directory(database, test)


def test_a_key_that_one_endpoint_saw_disabled_is_disabled_for_all(
    database: Database, token: str, clock: Any
) -> None:
    digest = digest_of(token)

    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest, "search")
        clock.now += 1
        await database.change("UPDATE apikeys_apikey SET enabled = 0")
        await directory.find(digest, "answers")
        await database.go_away()
        stale = await directory.find(digest, "search")
        assert stale is not None
        assert [route.key_enabled for route in stale.routes] == [False]
        assert [route.id for route in stale.routes] == [
            route.id
            for route in (await directory.find(digest, "search")).routes  # type: ignore[union-attr]
        ]

    with_directory(database, test)


def test_a_token_that_was_seen_gone_does_not_serve(
    database: Database, token: str, clock: Any
) -> None:
    digest = digest_of(token)

    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest, "search")
        clock.now += 1
        await database.change("UPDATE endpoints_gatewaytoken SET digest = digest || 'x'")
        await directory.find(digest, "answers")
        await database.go_away()
        with pytest.raises(DatabaseUnavailable):
            await directory.find(digest, "search")

    with_directory(database, test)


def test_an_endpoint_that_was_seen_gone_does_not_serve(
    database: Database, token: str, other_token: str, clock: Any
) -> None:
    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest_of(token), "search")
        clock.now += 1
        await database.change(
            "UPDATE endpoints_endpoint SET name = 'renamed' WHERE name = 'search'"
        )
        await directory.find(digest_of(other_token), "search")
        await database.go_away()
        with pytest.raises(DatabaseUnavailable):
            await directory.find(digest_of(token), "search")

    with_directory(database, test)


def test_a_token_expires_while_its_endpoint_is_stale(database: Database, token: str) -> None:
    database.execute("UPDATE endpoints_gatewaytoken SET expires_at = '2026-01-01 00:00:00'")

    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest_of(token), "search")
        await database.go_away()
        with pytest.raises(Refusal) as refused:
            check_admission(await directory.find(digest_of(token), "search"), "search")
        assert refused.value.code == "token_expired"

    with_directory(database, test)


def test_the_first_answer_ends_it_and_each_outage_is_logged_once(
    database: Database, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    digest = digest_of(token)

    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest, "search")
        await database.go_away()
        for _ in range(5):
            await directory.find(digest, "search")
        await database.change("UPDATE endpoints_gatewaytoken SET revoked_at = '2026-01-01'")
        await database.come_back()
        found = await directory.find(digest, "search")
        assert found is not None
        assert (found.revoked, found.stale_seconds, stale_seconds()) == (True, None, 0)

    caplog.set_level(logging.WARNING, last_known.__name__)
    with_directory(database, test)

    lines = [record.getMessage() for record in caplog.records if record.name == last_known.__name__]
    assert [line.partition(" (")[0] for line in lines] == [
        "The gateway cannot read its database",
        "The gateway reads its database again, after 0 seconds.",
    ]


def test_it_remembers_a_limited_number(
    database: Database, token: str, other_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_known, "MAX_REMEMBERED", 1)

    async def test(directory: LastKnownDirectory) -> None:
        await directory.find(digest_of(token), "search")
        await directory.find(digest_of(other_token), "search")
        await database.go_away()
        assert await directory.find(digest_of(other_token), "search")
        with pytest.raises(DatabaseUnavailable):
            await directory.find(digest_of(token), "search")

    with_directory(database, test)
