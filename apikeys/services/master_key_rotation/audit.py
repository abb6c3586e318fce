"""What is recorded of a rotation: audit events, and which master keys are being retired."""

from collections.abc import Iterator, Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from apikeys.models import MasterKey
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.wording import counted

from .state import MasterKeyState

NOTE = AuditEvent._meta.get_field("note").max_length or 0  # characters


def begun(state: MasterKeyState, *, by: Actor) -> None:
    """Record that all rows move to the primary, and that their master keys are being retired."""
    with transaction.atomic():
        MasterKey.objects.update_or_create(pk=state.primary, defaults={"retired_at": None})
        for name in state.keys[1:]:
            if state.rows.get(name):
                MasterKey.objects.get_or_create(pk=name)
                leaving = MasterKey.objects.filter(pk=name, retired_at=None)
                leaving.update(retired_at=timezone.now())
        note = f"{counted(state.behind, 'row')} to re-encrypt"
        _record(by, "began to move to", state.primary, note)


def forced(primary: str, problems: Sequence[str], *, by: Actor) -> None:
    """Record the reasons not to rotate that were overridden, in as many events as needed."""
    with transaction.atomic():
        for note in _notes("despite: ", problems):
            _record(by, "forced the move to", primary, note)


def stopped(primary: str, moved: int, problems: Sequence[str], *, by: Actor) -> None:
    with transaction.atomic():
        for note in _notes(f"{counted(moved, 'row')} re-encrypted; ", problems):
            _record(by, "stopped moving to", primary, note)


def finished(primary: str, moved: int, unreadable: int, *, by: Actor) -> None:
    note = f"{counted(moved, 'row')} re-encrypted"
    if unreadable:
        note += f", {unreadable:,} that no master key decrypts"
    with transaction.atomic():
        _record(by, "finished moving to", primary, note)


def gave_up(lost: Mapping[str, int], *, by: Actor) -> None:
    """Note which master keys are lost, and how many credentials went with each."""
    with transaction.atomic():
        for name, rows in lost.items():
            lost_rows = counted(
                rows, "row that only it could decrypt was", "rows that only it could decrypt were"
            )
            _record(by, "gave up", name, f"{lost_rows} destroyed")


def began_fingerprints_anew(primary: str, *, by: Actor) -> None:
    """Record it, in the transaction of the change itself."""
    _record(
        by,
        "began fingerprints anew under",
        primary,
        "no master key decrypts the previous fingerprint key",
    )


def _notes(lead: str, problems: Sequence[str]) -> Iterator[str]:
    """Yield as many notes as it takes to name all ``problems``."""
    note = ""
    for problem in problems:
        longer = f"{note}, {problem}" if note else lead + problem
        if note and len(longer) > NOTE:
            yield note
            longer = lead + problem
        note = longer
    yield note


def _record(by: Actor, action: str, primary: str, note: str) -> None:
    AuditEvent.record(by, action, MasterKey(primary), note=note)
