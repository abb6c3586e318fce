"""Destroyed credentials leave the files of the database, and not only the rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apikeys import services
from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import Secrets
from apikeys.services import sqlite_wal
from gatewayproject.accounts.actors import Actor
from tests import drafts
from tests.conftest import MakeKey
from tests.database_files import content_of_database_files
from tests.fakes import service_account

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL's VACUUM decides when rows leave."
    ),
]


def in_the_files(token: bytes) -> int:
    """Count the pieces of ``token`` in the database file and in its write-ahead log."""
    content = content_of_database_files()
    pieces = [token[start : start + 48] for start in range(60, len(token) - 48, 48)]
    return sum(content.count(piece) for piece in pieces)


def token_of(version_id: object) -> bytes:
    return CredentialVersion.objects.get(pk=version_id).sealed.token


def replace(key: ApiKey, by: Actor, **secrets: str) -> ApiKey:
    key = ApiKey.objects.get(pk=key.pk)
    drafts.save(key, Secrets(secrets), by=by)
    return ApiKey.objects.get(pk=key.pk)


@pytest.mark.parametrize("provider", ["openai", "vertex_ai"])  # one of some bytes, one of pages
def test_destroyed_previous_credentials_are_nowhere_in_the_files(
    make_key: MakeKey, by: Actor, provider: str
) -> None:
    others = [make_key(f"key-{number}", provider) for number in range(20)]
    key = others[7]
    token = token_of(key.current_id)
    secret = {"openai": "api_key", "vertex_ai": "vertex_credentials"}[provider]
    new = {"openai": "sk-made-up", "vertex_ai": service_account(private_key_id="c" * 40)}[provider]
    key = replace(key, by, **{secret: new})
    assert in_the_files(token) > 0

    services.destroy_previous(key, by=by, rev=key.rev)

    assert in_the_files(token) == 0
    assert in_the_files(token_of(others[8].current_id)) > 0


def test_what_two_edits_leave_behind_is_nowhere_in_the_files(make_key: MakeKey, by: Actor) -> None:
    keys = [make_key(f"key-{number}") for number in range(30)]
    tokens = [token_of(key.current_id) for key in keys]

    for key in keys:
        for secret in ("sk-made-up-second", "sk-made-up-third"):
            replace(key, by, api_key=secret)

    assert [in_the_files(token) for token in tokens] == [0] * 30


def test_discarded_and_compromised_credentials_are_nowhere_in_the_files(
    make_key: MakeKey, by: Actor
) -> None:
    key = ApiKey.objects.get(pk=make_key("key").pk)
    tokens = [token_of(key.current_id)]
    for secret in ("sk-made-up-second", "sk-made-up-third"):
        drafts.stage(key, Secrets(api_key=secret), by=by)
        key.refresh_from_db()
        tokens.append(token_of(key.pending_id))

    services.discard_pending(key, by=by, rev=key.rev)
    key.refresh_from_db()
    drafts.save(key, Secrets(api_key="sk-made-up-fourth"), by=by, compromised=True)

    assert [in_the_files(token) for token in tokens] == [0, 0, 0]


def test_a_deleted_key_is_nowhere_in_the_files(make_key: MakeKey, by: Actor) -> None:
    key = replace(make_key("key"), by, api_key="sk-made-up-second")
    tokens = [token_of(pk) for pk in (key.current_id, key.previous_id)]

    services.delete_api_key(key, by=by, seen=blast_radius_of(key).digest())

    assert [in_the_files(token) for token in tokens] == [0, 0]


@contextmanager
def open_reader() -> Iterator[None]:
    """Hold on to the write-ahead log, as a backup does or a report that takes long."""
    reader = connection.copy()
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM apikeys_apikey")
        yield
        cursor.execute("ROLLBACK")
    reader.close()


def destroy(key: ApiKey, by: Actor) -> None:
    services.destroy_previous(key, by=by, rev=key.rev)


def delete(key: ApiKey, by: Actor) -> None:
    services.delete_api_key(key, by=by, seen=blast_radius_of(key).digest())


Act = Callable[[ApiKey, Actor], None]


@pytest.fixture(params=[destroy, delete])
def owed(request: pytest.FixtureRequest, make_key: MakeKey, by: Actor) -> bytes:
    """A token that was destroyed during a read, which delays no one for long."""
    key = replace(make_key("key"), by, api_key="sk-made-up-second")
    token = token_of(key.previous_id)
    with open_reader():
        request.param(key, by)
        assert not sqlite_wal.settle_erasing()
    assert in_the_files(token) > 0
    return token


def test_what_a_reader_held_up_goes_with_the_next_act_on_another_key(
    make_key: MakeKey, by: Actor, owed: bytes
) -> None:
    key = make_key("another")
    assert in_the_files(owed) > 0  # which began nothing new for anybody

    services.disable_api_key(key, by=by, rev=key.rev)

    assert in_the_files(owed) == 0


def test_what_a_reader_held_up_is_settled_by_the_server(owed: bytes) -> None:
    assert sqlite_wal.settle_erasing()

    assert in_the_files(owed) == 0


def test_nothing_is_tried_where_nothing_is_owed(
    make_key: MakeKey, django_assert_num_queries: Callable[..., Any]
) -> None:
    sqlite_wal.finish_erasing()

    with django_assert_num_queries(0):
        assert sqlite_wal.settle_erasing()


def test_a_command_reports_bytes_that_are_still_there(
    make_key: MakeKey, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_wal, "TRIES", 1)
    key = replace(make_key("key"), by, api_key="sk-made-up-second")
    token = token_of(key.previous_id)

    with open_reader(), pytest.raises(CommandError, match="still in SQLite") as shown:
        call_command("destroy_previous", "--older-than-days=0")

    assert shown.value.returncode == 3
    assert in_the_files(token) > 0
    call_command("destroy_previous")
    assert in_the_files(token) == 0


def test_a_command_waits_for_a_reader_who_is_done_soon(
    make_key: MakeKey, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = replace(make_key("key"), by, api_key="sk-made-up-second")
    token = token_of(key.previous_id)

    with ExitStack() as reading:
        reading.enter_context(open_reader())
        monkeypatch.setattr(sqlite_wal.time, "sleep", lambda seconds: reading.close())
        call_command("destroy_previous", "--older-than-days=0")

    assert in_the_files(token) == 0


def test_rotating_from_a_terminal_reports_it_too(
    make_key: MakeKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sqlite_wal, "TRIES", 1)
    make_key("key")
    file = tmp_path / "key"
    file.write_text("sk-made-up-second")

    with open_reader(), pytest.raises(CommandError, match="still in SQLite") as refused:
        call_command("rotate_api_key", "key", "--compromised", from_file=file)

    assert refused.value.returncode == 3
