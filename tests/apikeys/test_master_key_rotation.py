"""Rotating the master key: everything moves to the new one, whatever else happens meanwhile."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, CredentialVersion, FingerprintKey, MasterKey
from apikeys.sealing import Sealed, fingerprint_of, master_keys, opens_with_primary, seal
from apikeys.services import delete_api_key
from apikeys.services.master_key_rotation import (
    RotationRefused,
    current_state,
    missing_master_keys,
    next_step,
    rotate_master_key,
    rotation,
    survey,
)
from apikeys.services.master_key_rotation.sealed_columns import sealed_columns
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.keyring import generate_master_key
from tests import drafts
from tests.database_files import content_of_database_files
from tests.fakes import OPENAI_KEY

MakeKey = Callable[..., ApiKey]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def old(settings: Any) -> str:
    """The master key that everything is under at first."""
    settings.FERNET_KEYS = [generate_master_key()]
    return settings.FERNET_KEYS[0]


@pytest.fixture
def five_keys(old: str, make_key: MakeKey) -> list[ApiKey]:
    return [make_key(f"key-{number}") for number in range(5)]


@pytest.fixture
def new(settings: Any, five_keys: list[ApiKey]) -> str:
    """The master key that comes first from now on, while the old one still opens."""
    settings.FERNET_KEYS = [generate_master_key(), *settings.FERNET_KEYS]
    return settings.FERNET_KEYS[0]


def secret_of(api_key: ApiKey) -> str:
    fresh = ApiKey.objects.get(pk=api_key.pk)
    return fresh.current.open_for(fresh, towards=fresh.origins())["api_key"]


def tokens() -> set[bytes]:
    return {row.token for row in CredentialVersion.objects.values_list("sealed", flat=True) if row}


def damage(api_key: ApiKey) -> CredentialVersion:
    versions = CredentialVersion.objects.filter(pk=api_key.current.pk)
    versions.update(sealed=Sealed(b"gAAAAdamaged"))
    return versions.get()


# --- What it does ------------------------------------------------------------------------------


def test_everything_opens_with_the_new_key_alone(
    five_keys: list[ApiKey], new: str, by: Actor, settings: Any
) -> None:
    report = rotate_master_key(by=by)

    settings.FERNET_KEYS = [new]
    assert {secret_of(key) for key in five_keys} == {OPENAI_KEY}
    assert len(FingerprintKey.get()) == 32
    assert (report.moved, report.checked, report.is_complete) == (6, 6, True)


def test_nothing_but_the_token_and_the_name_of_its_master_key_changes(
    five_keys: list[ApiKey], new: str, by: Actor
) -> None:
    def rows() -> tuple[Any, ...]:
        kept = [f.attname for f in CredentialVersion._meta.concrete_fields]
        kept = [name for name in kept if name not in ("sealed", "master_key")]
        versions = CredentialVersion.objects.order_by("pk").values(*kept)
        return list(versions), list(ApiKey.objects.order_by("pk").values())

    before, old_tokens = rows(), tokens()

    rotate_master_key(by=by)

    assert rows() == before
    assert not tokens() & old_tokens
    assert set(CredentialVersion.objects.values_list("master_key", flat=True)) == {
        fingerprint_of(new)
    }


def test_every_column_of_sealed_values_is_found_by_its_class() -> None:
    found = {(column.model, column.field.name) for column in sealed_columns()}

    assert found == {(CredentialVersion, "sealed"), (FingerprintKey, "sealed")}


@pytest.mark.parametrize("size", [1, 2, 5, 500])
def test_batches_of_any_size_reach_every_row(new: str, by: Actor, size: int) -> None:
    assert rotate_master_key(by=by, batch_size=size).moved == 6


def test_running_it_again_does_nothing_more(new: str, by: Actor) -> None:
    rotate_master_key(by=by)
    before, events = tokens(), AuditEvent.objects.count()

    report = rotate_master_key(by=by)

    assert report.moved == 0
    assert tokens() == before
    assert AuditEvent.objects.count() == events


def test_versions_that_were_destroyed_need_no_master_key(
    five_keys: list[ApiKey], new: str, by: Actor, settings: Any
) -> None:
    five_keys[0].current.destroy()

    assert rotate_master_key(by=by).moved == 5

    settings.FERNET_KEYS = [new]
    assert missing_master_keys() == set()


def test_looking_writes_nothing(new: str) -> None:
    before = tokens()

    report = survey()

    assert (report.left, report.checked, report.unreadable) == (6, 6, [])
    assert tokens() == before
    assert not AuditEvent.objects.filter(subject_type="masterkey").exists()


# --- Broken rows -------------------------------------------------------------------------------


def test_a_damaged_row_is_named_and_unchanged_while_all_others_move(
    five_keys: list[ApiKey], new: str, by: Actor
) -> None:
    broken = damage(five_keys[2])

    report = rotate_master_key(by=by)

    assert report.unreadable == [f"credential version {broken.pk}"]
    assert (report.moved, report.is_complete) == (5, False)
    assert CredentialVersion.objects.get(pk=broken.pk).sealed == broken.sealed


@pytest.mark.parametrize("shown", ["primary", "", "0" * 16])
def test_what_a_row_says_of_its_master_key_is_not_believed(
    five_keys: list[ApiKey], new: str, by: Actor, settings: Any, shown: str
) -> None:
    name = fingerprint_of(new) if shown == "primary" else shown
    CredentialVersion.objects.filter(pk=five_keys[0].current.pk).update(master_key=name)

    rotate_master_key(by=by)

    settings.FERNET_KEYS = [new]
    assert secret_of(five_keys[0]) == OPENAI_KEY


# --- While others work -------------------------------------------------------------------------


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> Iterator[None]:
    """Do ``act`` once, between the moment a batch was read and the moment it is written."""
    waiting = [act]

    def reseal(sealed: Sealed) -> Sealed | None:
        if waiting:
            waiting.pop()()
        return original(sealed)

    original = rotation.reseal
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "reseal", reseal)
        yield
    assert not waiting


def test_what_another_user_edits_concurrently_stays_edited(
    five_keys: list[ApiKey], new: str, by: Actor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit() -> None:
        api_key = ApiKey.objects.get(pk=five_keys[0].pk)
        drafts.save(api_key, {"api_key": "sk-entered-meanwhile"}, by=by)

    with meanwhile(monkeypatch, edit):
        rotate_master_key(by=by)

    settings.FERNET_KEYS = [new]
    assert secret_of(five_keys[0]) == "sk-entered-meanwhile"
    assert survey().is_complete


def test_a_token_that_changed_concurrently_is_not_overwritten(
    five_keys: list[ApiKey],
    old: str,
    new: str,
    by: Actor,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A straggler sealed something else under the old key, into the very same row."""
    version = five_keys[0].current

    def seal_again() -> None:
        settings.FERNET_KEYS = [old, new]
        owner, origins = version.owner(five_keys[0].pk), five_keys[0].origins()
        sealed = seal({"api_key": "sk-of-a-straggler"}, owner=owner, origins=origins)
        CredentialVersion.objects.filter(pk=version.pk).update(sealed=sealed)
        settings.FERNET_KEYS = [new, old]

    with meanwhile(monkeypatch, seal_again):
        assert rotate_master_key(by=by).is_complete

    settings.FERNET_KEYS = [new]
    assert secret_of(five_keys[0]) == "sk-of-a-straggler"


def test_what_another_user_deletes_concurrently_stays_deleted(
    five_keys: list[ApiKey], new: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = five_keys[3]

    def delete() -> None:
        delete_api_key(doomed, by=by, seen=blast_radius_of(doomed).digest())

    with meanwhile(monkeypatch, delete):
        assert rotate_master_key(by=by).is_complete

    assert CredentialVersion.objects.count() == 4
    assert not CredentialVersion.objects.filter(api_key_id=doomed.pk).exists()


def in_threads(*acts: Callable[[], Any]) -> list[Any]:
    def run(act: Callable[[], Any]) -> Any:
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


def test_two_at_once_share_the_work(make_key: MakeKey, new: str, by: Actor, settings: Any) -> None:
    settings.FERNET_KEYS.reverse()
    for number in range(40):
        make_key(f"another-{number}")
    settings.FERNET_KEYS.reverse()

    reports = in_threads(*[lambda: rotate_master_key(by=by, batch_size=3)] * 2)

    assert sum(report.moved for report in reports) == 46
    assert all(report.is_complete for report in reports)
    settings.FERNET_KEYS = [new]
    assert survey().left == 0


def test_a_locked_row_is_waited_for(five_keys: list[ApiKey], new: str, by: Actor) -> None:
    holds = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            CredentialVersion.objects.filter(pk=five_keys[1].current.pk).update(hint="held")
            holds.set()
            time.sleep(0.7)

    def rotate() -> Any:
        holds.wait()
        return rotate_master_key(by=by)

    _, report = in_threads(hold, rotate)

    assert (report.moved, report.is_complete) == (6, True)
    assert CredentialVersion.objects.get(pk=five_keys[1].current.pk).hint == "held"


def test_a_row_that_stays_locked_is_reported(
    five_keys: list[ApiKey], new: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite locks the file: the time-out of the database ends the rotation")
    monkeypatch.setattr(rotation, "MAX_IDLE_SWEEPS", 3)
    let_go, holds = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            CredentialVersion.objects.filter(pk=five_keys[1].current.pk).update(hint="held")
            holds.set()
            let_go.wait(20)

    def rotate() -> Any:
        holds.wait()
        try:
            return rotate_master_key(by=by)
        finally:
            let_go.set()

    _, report = in_threads(hold, rotate)

    assert (report.moved, report.left, report.is_complete) == (5, 1, False)


# --- The order of the keys ---------------------------------------------------------------------


def test_going_back_is_refused_before_the_first_write(new: str, by: Actor, settings: Any) -> None:
    rotate_master_key(by=by)
    settings.FERNET_KEYS.reverse()
    before = tokens()

    with pytest.raises(RotationRefused, match="order of FERNET_KEYS is reversed"):
        rotate_master_key(by=by)

    assert tokens() == before


def test_reversing_an_interrupted_rotation_is_refused(
    five_keys: list[ApiKey], new: str, by: Actor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation._Rotation, "run", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rotate_master_key(by=by)
    monkeypatch.undo()
    settings.FERNET_KEYS.reverse()

    with pytest.raises(RotationRefused, match="reversed"):
        rotate_master_key(by=by)


def test_a_reversed_rotation_can_be_forced_and_is_recorded(
    five_keys: list[ApiKey], old: str, new: str, by: Actor, settings: Any
) -> None:
    rotate_master_key(by=by)
    settings.FERNET_KEYS.reverse()

    report = rotate_master_key(by=by, force=True)

    settings.FERNET_KEYS = [old]
    assert {secret_of(key) for key in five_keys} == {OPENAI_KEY}
    assert len(report.overridden) == 1
    event = AuditEvent.objects.get(act="forced the move to")
    assert event.subject_id == fingerprint_of(old)
    assert event.note == "despite: the order of the keys is reversed"
    assert not current_state().is_reversed


def test_running_it_before_the_new_key_comes_first_changes_nothing(
    new: str, old: str, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [old, new]
    before = tokens()

    report = rotate_master_key(by=by)

    assert (report.moved, tokens()) == (0, before)
    assert current_state().unused == [fingerprint_of(new)]
    assert "put it first" in next_step(current_state())
    assert not MasterKey.objects.filter(retired_at__isnull=False).exists()


def test_a_key_that_everything_moved_away_from_is_not_taken_for_a_new_one(
    new: str, by: Actor
) -> None:
    rotate_master_key(by=by)

    state = current_state()

    assert state.unused == []
    assert next_step(state).startswith("Run “python manage.py rotate_master_key --verify”.")
    assert next_step(state, is_verified=True).startswith("Remove ")


# --- The history -------------------------------------------------------------------------------


def test_beginning_and_end_are_written_down_with_numbers_and_never_a_key(
    old: str, new: str, by: Actor
) -> None:
    rotate_master_key(by=by)

    finished, begun = AuditEvent.objects.filter(subject_type="masterkey")
    assert (begun.act, begun.note) == ("began to move to", "6 rows to re-encrypt")
    assert (finished.act, finished.note) == ("finished moving to", "6 rows re-encrypted")
    assert finished.subject_name == fingerprint_of(new)
    assert finished.actor == "kim"
    assert MasterKey.objects.get(pk=fingerprint_of(old)).retired_at is not None
    for event in AuditEvent.objects.values():
        assert not {old, new} & {str(value) for value in event.values()}


# --- A key that rows still need ----------------------------------------------------------------


def test_dropping_a_key_that_rows_need_is_an_error_that_names_it(
    old: str, new: str, settings: Any
) -> None:
    settings.FERNET_KEYS = [new]

    with pytest.raises(SystemCheckError) as error:
        call_command("check", databases=["default"])

    assert "apikeys.E001" in str(error.value)
    assert f"5 encrypted rows need the master key {fingerprint_of(old)}" in str(error.value)
    assert old not in str(error.value)


def test_after_the_rotation_the_old_key_can_be_dropped(
    new: str, by: Actor, client: Client, settings: Any
) -> None:
    rotate_master_key(by=by)
    settings.FERNET_KEYS = [new]

    call_command("check", databases=["default"])

    assert client.get("/readyz").status_code == 200


def test_without_a_key_that_rows_need_a_process_is_not_ready_and_pages_go_on(
    new: str, client: Client, settings: Any
) -> None:
    assert client.get("/readyz").status_code == 200
    settings.FERNET_KEYS = [new]

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert b"need a master key that is not in FERNET_KEYS" in answer.content
    assert client.get("/api-keys/").status_code == 200


def test_a_reversed_order_is_warned_of(new: str, by: Actor, settings: Any, capsys: Any) -> None:
    rotate_master_key(by=by)
    settings.FERNET_KEYS.reverse()

    call_command("check", databases=["default"])

    assert "apikeys.W001" in capsys.readouterr().err


def test_being_ready_costs_as_much_with_many_rows_as_with_few(
    five_keys: list[ApiKey], new: str, make_key: MakeKey
) -> None:
    with CaptureQueriesContext(connection) as few:
        missing_master_keys()
    for number in range(20):
        make_key(f"another-{number}")

    with CaptureQueriesContext(connection) as many:
        missing_master_keys()

    assert len(many) == len(few) + 1  # rows are under two master keys now
    assert len(many) <= 5


# --- The files ---------------------------------------------------------------------------------


def test_no_old_token_is_left_in_the_files_of_sqlite(new: str, by: Actor) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps old rows until VACUUM")
    old_tokens = tokens()

    def found() -> int:
        text = content_of_database_files()
        return sum(token in text for token in old_tokens)

    assert found() == 5

    report = rotate_master_key(by=by)

    assert report.erased
    assert found() == 0


def test_a_long_read_keeps_old_tokens_in_the_log_which_is_reported(
    new: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps old rows until VACUUM")
    monkeypatch.setattr("apikeys.services.sqlite_wal.TRIES", 2)
    reader = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM apikeys_apikey").fetchall()

    report = rotate_master_key(by=by)
    reader.close()

    assert (report.moved, report.erased) == (6, False)
    assert rotate_master_key(by=by).erased


def test_what_was_just_sealed_opens_with_the_first_key_alone(new: str) -> None:
    version = CredentialVersion.objects.first()

    assert not opens_with_primary(version.sealed)
    fresh = rotation.reseal(version.sealed)
    assert opens_with_primary(fresh)
    assert master_keys().sealer_of(fresh) == fingerprint_of(new)
