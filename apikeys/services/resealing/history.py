"""What is written down of a rotation: the audit trail, and which master keys are on the way out."""

from collections.abc import Iterator, Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.models import Event, MasterKey

from .standing import Standing

NOTE = Event._meta.get_field("note").max_length  # characters


def begun(standing: Standing, *, by: Actor) -> None:
    """Note that everything moves to the primary from now on, and away from what it is under."""
    with transaction.atomic():
        MasterKey.objects.update_or_create(pk=standing.primary, defaults={"retired_at": None})
        for name in standing.keys[1:]:
            if standing.rows.get(name):
                MasterKey.objects.get_or_create(pk=name)
                leaving = MasterKey.objects.filter(pk=name, retired_at=None)
                leaving.update(retired_at=timezone.now())
        _record(by, "began to move to", standing.primary, f"{standing.behind:,} rows to re-seal")


def forced(primary: str, problems: Sequence[str], *, by: Actor) -> None:
    """Note what spoke against it and was overridden, however many events that takes."""
    with transaction.atomic():
        for note in _notes("although ", problems):
            _record(by, "forced the move to", primary, note)


def stopped(primary: str, moved: int, problems: Sequence[str], *, by: Actor) -> None:
    with transaction.atomic():
        for note in _notes(f"{moved:,} rows re-sealed; ", problems):
            _record(by, "stopped moving to", primary, note)


def finished(primary: str, moved: int, unreadable: int, *, by: Actor) -> None:
    note = f"{moved:,} rows re-sealed"
    if unreadable:
        note += f", {unreadable:,} that no master key opens"
    with transaction.atomic():
        _record(by, "finished moving to", primary, note)


def gave_up(lost: Mapping[str, int], *, by: Actor) -> None:
    """Note which master keys are lost, and how many credentials went with each."""
    with transaction.atomic():
        for name, rows in lost.items():
            _record(by, "gave up", name, f"{rows:,} rows that only it opened are destroyed")


def began_fingerprints_anew(primary: str, *, by: Actor) -> None:
    """Note it, in the transaction of the act itself."""
    _record(by, "began fingerprints anew under", primary, "no master key opened the key of theirs")


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


def _record(by: Actor, act: str, primary: str, note: str) -> None:
    Event.record(by, act, MasterKey(primary), note=note)
