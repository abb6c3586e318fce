"""What is written down of a rotation: the audit trail, and which master keys are on the way out."""

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.models import Event, MasterKey

from .standing import Standing


def begun(standing: Standing, *, by: Actor, problems: Collection[str]) -> None:
    """Note that everything moves to the primary from now on, and away from what it is under."""
    with transaction.atomic():
        MasterKey.objects.update_or_create(pk=standing.primary, defaults={"retired_at": None})
        for name in standing.keys[1:]:
            if standing.rows.get(name):
                MasterKey.objects.get_or_create(pk=name)
                leaving = MasterKey.objects.filter(pk=name, retired_at=None)
                leaving.update(retired_at=timezone.now())
        note = f"{standing.behind:,} rows to re-seal"
        if problems:
            note = f"forced, although: {' '.join(problems)}"
        _record(by, "began to move to", standing.primary, note)


def finished(primary: str, moved: int, unreadable: int, *, by: Actor) -> None:
    note = f"{moved:,} rows re-sealed"
    if unreadable:
        note += f", {unreadable:,} that no master key opens"
    with transaction.atomic():
        _record(by, "finished moving to", primary, note)


def _record(by: Actor, act: str, primary: str, note: str) -> None:
    Event.record(by, act, MasterKey(primary), note=note)
