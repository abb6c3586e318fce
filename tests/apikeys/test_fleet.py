"""A rotation is refused while a process serves that could not read what is re-sealed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from apikeys.actors import Actor
from apikeys.models import ApiKey, CredentialVersion, Event, ServerProcess
from apikeys.sealing import fingerprint_of, master_keys
from apikeys.services.resealing import (
    Refused,
    current_standing,
    next_step,
    rotate_master_key,
    rotating,
)
from gatewayproject.keyring import generate_master_key

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

    with pytest.raises(Refused) as refusal:
        rotate_master_key(by=by)

    assert str(refusal.value).startswith(
        f"app-2 (process 4711) does not have the master key {fingerprint_of(new)}"
    )
    assert "app-1" not in str(refusal.value)
    assert rows_under(new) == 0
    assert not Event.objects.filter(subject_type="masterkey").exists()
    assert "app-2 (process 4711) does not have" in next_step(current_standing())


def test_a_process_that_still_seals_under_the_old_key_is_named_too(
    old: str, new: str, by: Actor
) -> None:
    serve(old, new)

    with pytest.raises(Refused, match=r"app-1 \(process 4711\) seals under .* the order of"):
        rotate_master_key(by=by)

    assert rows_under(new) == 0


def test_a_process_that_was_not_seen_for_a_minute_is_dead(old: str, new: str, by: Actor) -> None:
    serve(old, ago=61)

    rotate_master_key(by=by)

    assert rows_under(new) == 1


def test_a_process_that_was_seen_a_moment_ago_is_not(old: str, new: str, by: Actor) -> None:
    serve(old, ago=50)

    with pytest.raises(Refused):
        rotate_master_key(by=by)


def test_force_overrides_it_and_the_history_says_so(old: str, new: str, by: Actor) -> None:
    serve(old)

    rotate_master_key(by=by, force=True)

    assert rows_under(new) == 1
    begun = Event.objects.get(act="began to move to")
    assert begun.note.startswith("forced, although: app-1 (process 4711) does not have")


def test_a_process_that_comes_up_meanwhile_ends_the_rotation(
    old: str, new: str, by: Actor, make_key: MakeKey, settings: Any, monkeypatch: Any
) -> None:
    settings.FERNET_KEYS = [old]
    for number in range(5):
        make_key(f"key-{number}")
    settings.FERNET_KEYS = [new, old]
    original = rotating.reseal

    def reseal(sealed: Any) -> Any:
        if not ServerProcess.objects.exists():
            serve(old)
        return original(sealed)

    monkeypatch.setattr(rotating, "reseal", reseal)

    with pytest.raises(Refused):
        rotate_master_key(by=by, batch_size=2)

    assert rows_under(new) == 2
    ServerProcess.objects.all().delete()
    monkeypatch.undo()
    assert rotate_master_key(by=by).is_complete


def test_while_a_process_seals_otherwise_the_old_key_is_not_to_be_dropped(
    old: str, new: str, by: Actor
) -> None:
    rotate_master_key(by=by)
    assert "--verify" in next_step(current_standing())

    serve(old, new)

    assert "seals under" in next_step(current_standing())
    assert master_keys().primary == fingerprint_of(new)
