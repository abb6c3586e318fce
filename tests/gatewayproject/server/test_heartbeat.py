"""A rotation is refused while a process serves that could not read what is re-sealed."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import connection
from django.db.models.functions import Now

from apikeys.models import ApiKey, CredentialVersion, ServerProcess
from apikeys.sealing import fingerprint_of, master_keys
from apikeys.services.master_key_rotation import (
    RotationRefused,
    current_state,
    next_step,
    rotate_master_key,
    rotation,
)
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.keyring import generate_master_key
from gatewayproject.server import heartbeat
from tests.endpoints.gateway.event_loops import run

MakeKey = Callable[..., ApiKey]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def old(settings: Any, make_key: MakeKey) -> str:
    settings.FERNET_KEYS = [generate_master_key()]
    make_key("my-openai-key")
    return settings.FERNET_KEYS[0]


@pytest.fixture
def new(settings: Any, old: str) -> str:
    settings.FERNET_KEYS = [generate_master_key(), old]
    return settings.FERNET_KEYS[0]


def serve(*keys: str, host: str = "app-1", ago: int = 0) -> ServerProcess:
    return ServerProcess.objects.create(
        host=host,
        pid=4711,
        version="0.1.0",
        master_keys=[fingerprint_of(key) for key in keys],
        started_at=Now(),
        seen_at=Now() - timedelta(seconds=ago),
    )


def rows_under(key: str) -> int:
    return CredentialVersion.objects.filter(master_key=fingerprint_of(key)).count()


def test_with_every_process_on_both_keys_it_rotates(old: str, new: str, by: Actor) -> None:
    serve(new, old)
    serve(new, old, host="app-2")

    rotate_master_key(by=by)

    assert rows_under(new) == 1


def test_a_process_without_the_new_key_is_named_and_nothing_is_written(
    old: str, new: str, by: Actor
) -> None:
    serve(new, old)
    serve(old, host="app-2")

    with pytest.raises(RotationRefused) as refusal:
        rotate_master_key(by=by)

    assert str(refusal.value).startswith(
        f"app-2 (process 4711) does not have the master key {fingerprint_of(new)}"
    )
    assert "app-1" not in str(refusal.value)
    assert rows_under(new) == 0
    assert not AuditEvent.objects.filter(subject_type="masterkey").exists()
    assert "app-2 (process 4711) does not have" in next_step(current_state())


def test_a_process_that_still_seals_under_the_old_key_is_named_too(
    old: str, new: str, by: Actor
) -> None:
    serve(old, new)

    with pytest.raises(
        RotationRefused, match=r"app-1 \(process 4711\) encrypts with .* the order of"
    ):
        rotate_master_key(by=by)

    assert rows_under(new) == 0


def test_a_process_that_was_not_seen_for_a_minute_is_dead(old: str, new: str, by: Actor) -> None:
    serve(old, ago=61)

    rotate_master_key(by=by)

    assert rows_under(new) == 1


def test_a_process_that_was_seen_a_moment_ago_is_not(old: str, new: str, by: Actor) -> None:
    serve(old, ago=50)

    with pytest.raises(RotationRefused):
        rotate_master_key(by=by)


def forced_notes() -> list[str]:
    events = AuditEvent.objects.filter(act="forced the move to").order_by("id")
    return list(events.values_list("note", flat=True))


def test_force_overrides_it_and_the_history_records_it(old: str, new: str, by: Actor) -> None:
    serve(old)

    report = rotate_master_key(by=by, force=True)

    assert rows_under(new) == 1
    assert forced_notes() == ["despite: app-1 (process 4711) does not have it"]
    assert [str(problem)[:38] for problem in report.overridden] == [
        "app-1 (process 4711) does not have the"
    ]


def test_force_writes_down_every_process_however_many_there_are(
    old: str, new: str, by: Actor
) -> None:
    for number in range(30):
        serve(old, host=f"app-{number}")

    rotate_master_key(by=by, force=True)

    notes = forced_notes()
    assert len(notes) > 1
    assert all(len(note) < 200 for note in notes)
    for number in range(30):
        assert any(f"app-{number} (process 4711) does not have it" in note for note in notes)


@pytest.fixture
def five_more(settings: Any, old: str, new: str, make_key: MakeKey) -> None:
    settings.FERNET_KEYS = [old]
    for number in range(5):
        make_key(f"key-{number}")
    settings.FERNET_KEYS = [new, old]


def appear(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """Have a server come up while the first batch is re-sealed."""
    original = rotation.reseal

    def reseal(sealed: Any) -> Any:
        if not ServerProcess.objects.exists():
            serve(*keys)
        return original(sealed)

    monkeypatch.setattr(rotation, "reseal", reseal)


@pytest.mark.usefixtures("five_more")
def test_a_process_that_comes_up_concurrently_stops_the_rotation(
    old: str, new: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    appear(monkeypatch, old)
    erased: list[bool] = []
    monkeypatch.setattr(rotation, "finish_erasing", lambda: erased.append(True) or True)

    report = rotate_master_key(by=by, batch_size=2)

    assert rows_under(new) == report.moved == 2
    assert (report.is_complete, erased) == (False, [True])
    assert [problem.short for problem in report.stopped] == [
        "app-1 (process 4711) does not have it"
    ]
    event = AuditEvent.objects.get(act="stopped moving to")
    assert event.note == "2 rows re-encrypted; app-1 (process 4711) does not have it"
    assert not AuditEvent.objects.filter(act="finished moving to").exists()


@pytest.mark.usefixtures("five_more")
def test_a_rotation_that_was_stopped_goes_on_when_the_process_is_gone(
    old: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        appear(patch, old)
        rotate_master_key(by=by, batch_size=2)
    ServerProcess.objects.all().delete()

    assert rotate_master_key(by=by).is_complete


@pytest.mark.usefixtures("five_more")
def test_a_stop_is_exit_status_3_with_the_number_of_rows(
    old: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    appear(monkeypatch, old)

    with pytest.raises(CommandError, match="Stopped after 2 rows") as error:
        call_command("rotate_master_key", batch_size=2)

    assert error.value.returncode == 3
    assert "app-1 (process 4711) does not have the master key" in str(error.value)


@pytest.mark.usefixtures("five_more")
def test_force_writes_down_what_comes_up_concurrently(
    old: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    appear(monkeypatch, old)

    report = rotate_master_key(by=by, batch_size=2, force=True)

    assert report.is_complete
    assert len(report.overridden) == 1
    assert forced_notes() == ["despite: app-1 (process 4711) does not have it"]


def test_while_a_process_seals_otherwise_the_old_key_is_not_to_be_dropped(
    old: str, new: str, by: Actor
) -> None:
    rotate_master_key(by=by)
    assert "--verify" in next_step(current_state())

    serve(old, new)

    assert "encrypts with" in next_step(current_state())
    assert master_keys().primary == fingerprint_of(new)


# --- What ``check`` says -----------------------------------------------------------------------


def test_dropping_the_old_key_while_a_process_seals_under_it_is_an_error_that_names_it(
    old: str, new: str, by: Actor, settings: Any
) -> None:
    rotate_master_key(by=by)
    serve(old, new, host="app-2")
    settings.FERNET_KEYS = [new]

    with pytest.raises(SystemCheckError, match=r"app-2 \(process 4711\) encrypts with"):
        call_command("check", databases=["default"])


def test_a_process_without_the_first_key_is_warned_of_by_name(
    old: str, new: str, capsys: Any
) -> None:
    serve(old, host="app-2")

    call_command("check", databases=["default"])

    assert "app-2 (process 4711) does not have the master key" in capsys.readouterr().err


def test_a_process_that_encrypts_with_the_old_key_is_warned_of_by_name(
    old: str, new: str, capsys: Any
) -> None:
    serve(old, new, host="app-2")

    call_command("check", databases=["default"])

    warnings = capsys.readouterr().err
    assert "apikeys.W003" in warnings
    assert (
        f"app-2 (process 4711) encrypts with the master key {fingerprint_of(old)}, not with "
        f"{fingerprint_of(new)}"
    ) in warnings


def test_with_every_process_on_both_keys_there_is_nothing_to_say(
    old: str, new: str, capsys: Any
) -> None:
    serve(new, old)

    call_command("check", databases=["default"])

    assert "process 4711" not in capsys.readouterr().err


# --- How a process says that it serves ---------------------------------------------------------


@pytest.fixture
def backends(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Have a process say so all the time; this is over which connections it does."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has as many connections as anybody wants")
    settings.HEARTBEAT_SECONDS = 0.02
    monkeypatch.setattr(heartbeat, "RETRY_DELAY", 0.02)
    used: list[int] = []
    record = heartbeat.Heartbeat._record

    def noted(heart: heartbeat.Heartbeat) -> None:
        record(heart)
        used.append(connection.connection.info.backend_pid)

    monkeypatch.setattr(heartbeat.Heartbeat, "_record", noted)
    heart = heartbeat.Heartbeat()
    run(heart.start())
    yield used
    run(heart.stop())


def wait_for(backends: list[int], number: int) -> None:
    until = time.monotonic() + 30
    while len(backends) < number and time.monotonic() < until:
        time.sleep(0.01)
    assert len(backends) >= number


def test_a_process_writes_heartbeats_over_one_connection(backends: list[int]) -> None:
    wait_for(backends, 5)

    assert len(set(backends)) == 1


def test_a_connection_that_breaks_is_replaced(backends: list[int]) -> None:
    wait_for(backends, 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backends[0]])

    wait_for(backends, len(backends) + 3)

    assert backends[-1] != backends[0]


def test_with_every_beat_an_erasure_that_is_owed_is_tried_again(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HEARTBEAT_SECONDS = 0.02
    settled = threading.Event()
    monkeypatch.setattr(heartbeat, "settle_erasing", settled.set)
    heart = heartbeat.Heartbeat()

    run(heart.start())

    assert settled.wait(10)
    run(heart.stop())
    assert not ServerProcess.objects.exists()
