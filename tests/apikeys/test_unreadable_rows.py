"""A master key is lost for good: what it sealed is destroyed, and everything else goes on."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models.functions import Now
from django.test import Client

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, CredentialVersion, FingerprintKey, ServerProcess
from apikeys.sealing import Sealed, fingerprint_of
from apikeys.services import delete_api_key
from apikeys.services.master_key_rotation import (
    RotationRefused,
    current_state,
    forget_unreadable,
    missing_master_keys,
    next_step,
    rotate_master_key,
    unreadable_rows,
    would_forget,
)
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.keyring import generate_master_key
from tests import drafts
from tests.fakes import OPENAI_KEY

MakeKey = Callable[..., ApiKey]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lost(settings: Any, make_key: MakeKey) -> str:
    """The master key that sealed three API keys, and is gone."""
    settings.FERNET_KEYS = [generate_master_key()]
    for name in ("one", "two", "three"):
        make_key(name)
    return settings.FERNET_KEYS[0]


@pytest.fixture
def new(settings: Any, lost: str) -> str:
    """The only master key from now on."""
    settings.FERNET_KEYS = [generate_master_key()]
    return settings.FERNET_KEYS[0]


def key(name: str) -> ApiKey:
    return ApiKey.objects.with_versions().get(name=name)


def enter(name: str, by: Actor, secret: str = OPENAI_KEY) -> ApiKey:
    api_key = key(name)
    drafts.save(api_key, {"api_key": secret}, by=by)
    return key(name)


def serve(*keys: str) -> ServerProcess:
    return ServerProcess.objects.create(
        host="app-1",
        pid=4711,
        version="0.1.0",
        master_keys=[fingerprint_of(key) for key in keys],
        started_at=Now(),
        seen_at=Now(),
    )


# --- What it does ------------------------------------------------------------------------------


def test_after_it_gatehouse_is_ready_although_the_master_key_is_lost(
    lost: str, new: str, client: Client, by: Actor
) -> None:
    assert client.get("/readyz").status_code == 503

    report = forget_unreadable(by=by)

    assert report.rows == 4
    assert missing_master_keys() == set()
    assert client.get("/readyz").status_code == 200
    call_command("check", databases=["default"])
    assert next_step(current_state()).startswith("Nothing to do.")


def test_entering_everything_again_or_deleting_it_leaves_something_that_it_ends(
    lost: str, new: str, by: Actor
) -> None:
    enter("one", by)
    enter("two", by)
    delete_api_key(key("three"), by=by, seen=blast_radius_of(key("three")).digest())
    assert missing_master_keys() == {fingerprint_of(lost), ""}

    report = forget_unreadable(by=by)

    assert missing_master_keys() == set()
    assert report.left == []
    assert key("one").previous is None
    assert key("one").is_readable()


def test_it_says_whose_credentials_have_to_be_entered_again_and_they_can_be(
    lost: str, new: str, by: Actor
) -> None:
    enter("two", by)

    report = forget_unreadable(by=by)

    assert report.left == ["one", "three"]
    assert key("one").current is None
    assert enter("one", by).is_readable()
    assert forget_unreadable(by=by).left == ["three"]


def test_what_is_destroyed_leaves_nothing_that_was_computed_from_it(
    lost: str, new: str, by: Actor
) -> None:
    forget_unreadable(by=by)

    for version in CredentialVersion.objects.all():
        assert (version.sealed, version.hint, version.fingerprint) == (None, "", "")
        assert version.destroyed_at is not None


def test_readable_rows_are_not_destroyed(lost: str, new: str, by: Actor, make_key: MakeKey) -> None:
    make_key("four")
    api_key = key("four")
    drafts.stage(api_key, {"api_key": "sk-to-come-0000000000000000"}, by=by)
    before = CredentialVersion.objects.filter(api_key__name="four").order_by("pk")
    tokens = [version.sealed for version in before]

    forget_unreadable(by=by)

    assert [version.sealed for version in before.all()] == tokens
    assert key("four").pending is not None


def test_a_damaged_row_is_destroyed_too(lost: str, settings: Any, by: Actor) -> None:
    CredentialVersion.objects.filter(api_key__name="two").update(sealed=Sealed(b"gAAAAdamaged"))
    assert not rotate_master_key(by=by).is_complete

    assert forget_unreadable(by=by).left == ["two"]

    assert rotate_master_key(by=by).is_complete
    assert not AuditEvent.objects.filter(act="gave up").exists()


def test_equal_credentials_are_recognized_again(
    lost: str, new: str, by: Actor, settings: Any
) -> None:
    settings.FERNET_KEYS = [new, lost]
    enter("one", by, "sk-entered-before-it-0000000000000")
    settings.FERNET_KEYS = [new]

    forget_unreadable(by=by)

    assert len(FingerprintKey.get()) == 32
    assert not CredentialVersion.objects.exclude(fingerprint="").exists()
    enter("two", by)
    twin = key("three")
    saved = drafts.save(twin, {"api_key": OPENAI_KEY}, by=by)
    assert CredentialVersion.objects.exclude(fingerprint="").count() == 2
    assert any("also stored as “two”" in note for note in saved.notes)


def test_where_everything_opens_it_does_nothing(lost: str, by: Actor) -> None:
    before, events = list(CredentialVersion.objects.values()), AuditEvent.objects.count()

    assert forget_unreadable(by=by).rows == 0

    assert list(CredentialVersion.objects.values()) == before
    assert AuditEvent.objects.count() == events


# --- The history -------------------------------------------------------------------------------


def test_the_history_names_each_key_the_master_key_and_the_fingerprints(
    lost: str, new: str, by: Actor
) -> None:
    forget_unreadable(by=by)

    shown = set(
        AuditEvent.objects.exclude(act="created").values_list("act", "subject_name", "note")
    )
    assert shown == {
        *[
            ("forgot unreadable credentials", name, "current: no master key decrypts them")
            for name in ("one", "two", "three")
        ],
        (
            "began fingerprints anew under",
            fingerprint_of(new),
            "no master key decrypts the previous fingerprint key",
        ),
        ("gave up", fingerprint_of(lost), "3 rows that only it could decrypt were destroyed"),
    }


def test_without_its_event_nothing_is_destroyed(
    lost: str, new: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreadable_rows.AuditEvent, "record", lambda *args, **kwargs: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        forget_unreadable(by=by)

    assert CredentialVersion.objects.filter(sealed__isnull=False).count() == 3
    assert key("one").current is not None


# --- When it is refused ------------------------------------------------------------------------


def test_a_live_process_that_has_the_missing_key_is_named_and_nothing_is_destroyed(
    lost: str, new: str, by: Actor
) -> None:
    serve(new, lost)

    for act in (lambda: forget_unreadable(by=by), would_forget):
        with pytest.raises(
            RotationRefused, match=r"app-1 \(process 4711\) has the master key"
        ) as refusal:
            act()

    assert fingerprint_of(lost) in str(refusal.value)
    assert CredentialVersion.objects.filter(sealed__isnull=False).count() == 3


def test_processes_with_the_same_keys_are_no_reason(lost: str, new: str, by: Actor) -> None:
    serve(new)

    assert forget_unreadable(by=by).rows == 4


def test_a_process_that_brings_the_missing_key_ends_it(
    lost: str, new: str, by: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = unreadable_rows._forget_versions_of

    def then_serve(*args: Any, **kwargs: Any) -> Any:
        done = forget(*args, **kwargs)
        serve(new, lost)
        return done

    monkeypatch.setattr(unreadable_rows, "_forget_versions_of", then_serve)

    report = forget_unreadable(by=by)

    assert report.rows == 1
    assert [problem.short for problem in report.stopped] == [
        "app-1 (process 4711) has other master keys"
    ]
    assert CredentialVersion.objects.filter(sealed__isnull=False).count() == 2


# --- The command -------------------------------------------------------------------------------


def test_a_script_has_to_say_yes(lost: str, new: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    with pytest.raises(CommandError, match="Add --yes") as error:
        call_command("rotate_master_key", forget_unreadable=True)

    assert error.value.returncode == 1
    assert f"3 credentials under {fingerprint_of(lost)}" in capsys.readouterr().out
    assert missing_master_keys()
    call_command("rotate_master_key", forget_unreadable=True, yes=True)
    assert missing_master_keys() == set()


@pytest.mark.parametrize("typed", ["forget", "yes"])
def test_a_person_types_it(
    lost: str, new: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: typed)

    if typed == "forget":
        call_command("rotate_master_key", forget_unreadable=True)
    else:
        with pytest.raises(CommandError, match="Nothing was destroyed"):
            call_command("rotate_master_key", forget_unreadable=True)

    assert bool(missing_master_keys()) == (typed != "forget")


def test_a_dry_run_lists_it_and_destroys_nothing(lost: str, new: str, capsys: Any) -> None:
    call_command("rotate_master_key", forget_unreadable=True, dry_run=True)

    out = capsys.readouterr().out
    assert "No master key decrypts 4 rows" in out
    assert "The key of the fingerprints" in out
    assert "  one\n  three\n  two\n" in out
    assert missing_master_keys()


def test_a_key_without_credentials_to_enter_is_saved_again(
    settings: Any, make_key: MakeKey, by: Actor
) -> None:
    settings.FERNET_KEYS = [generate_master_key()]
    make_key("ours", "bedrock", "default_chain")
    settings.FERNET_KEYS = [generate_master_key()]

    assert forget_unreadable(by=by).left == ["ours (nothing to enter: open Edit and save)"]
    api_key = key("ours")
    assert drafts.save(api_key, by=by).changed == ["credentials"]
    assert key("ours").is_readable()
    assert forget_unreadable(by=by).left == []
