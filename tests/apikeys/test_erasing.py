"""Destroyed credentials leave the files of the database, and not only the rows."""

from pathlib import Path

import pytest
from django.db import connection

from apikeys import services
from apikeys.actors import Actor
from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import Secrets
from tests.conftest import MakeKey
from tests.made_up import service_account

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="PostgreSQL's VACUUM decides when rows leave."
    ),
]


def in_the_files(token: bytes) -> int:
    """Count the pieces of ``token`` in the database file and in its write-ahead log."""
    name = connection.settings_dict["NAME"]
    content = b"".join(
        Path(file).read_bytes() for file in (name, f"{name}-wal") if Path(file).exists()
    )
    pieces = [token[start : start + 48] for start in range(60, len(token) - 48, 48)]
    return sum(content.count(piece) for piece in pieces)


def token_of(version_id: object) -> bytes:
    return CredentialVersion.objects.get(pk=version_id).sealed.token


def replace(key: ApiKey, by: Actor, **secrets: str) -> ApiKey:
    key = ApiKey.objects.get(pk=key.pk)
    key.secrets = Secrets(secrets)
    services.update_api_key(key, by=by, rev=key.rev)
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
        key.secrets = Secrets(api_key=secret)
        services.stage_credentials(key, by=by, rev=key.rev)
        key.refresh_from_db()
        tokens.append(token_of(key.pending_id))

    services.discard_pending(key, by=by, rev=key.rev)
    key.refresh_from_db()
    key.secrets = Secrets(api_key="sk-made-up-fourth")
    services.update_api_key(key, by=by, rev=key.rev, compromised=True)

    assert [in_the_files(token) for token in tokens] == [0, 0, 0]


def test_a_deleted_key_is_nowhere_in_the_files(make_key: MakeKey, by: Actor) -> None:
    key = replace(make_key("key"), by, api_key="sk-made-up-second")
    tokens = [token_of(pk) for pk in (key.current_id, key.previous_id)]

    services.delete_api_key(key, by=by, seen=key.blast_radius().digest())

    assert [in_the_files(token) for token in tokens] == [0, 0]


def test_a_reader_who_takes_long_delays_nobody(make_key: MakeKey, by: Actor) -> None:
    """What is left in the log then goes with the next act."""
    key = replace(make_key("key"), by, api_key="sk-made-up-second")
    token = token_of(key.previous_id)
    reader = connection.copy()
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM apikeys_apikey")
        services.destroy_previous(key, by=by, rev=key.rev)
        cursor.execute("ROLLBACK")
    reader.close()
    assert ApiKey.objects.get(pk=key.pk).previous is None

    services.versions.empty_write_ahead_log()

    assert in_the_files(token) == 0
