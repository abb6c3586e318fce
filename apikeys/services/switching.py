"""Disable and enable an API key: in force on the next request."""

from django.core.exceptions import ValidationError
from django.db import transaction

from apikeys.actors import Actor
from apikeys.models import ApiKey, Event

from .deletion import lock_keys
from .versions import Conflict, stored_at, swap


def disable_api_key(api_key: ApiKey, *, by: Actor, rev: int, seen: str = "") -> None:
    """Stop sending these credentials anywhere.

    Where active endpoints depend on the key, ``seen`` must be the digest of the blast radius that
    the person looked at; where it is another by now, ``Conflict`` is raised.
    """
    with transaction.atomic():
        lock_keys(api_key.pk)
        stored = stored_at(api_key, rev)
        radius = stored.blast_radius()
        if radius.active and radius.digest() != seen:
            raise Conflict
        _switch(stored, on=False, by=by)


def enable_api_key(api_key: ApiKey, *, by: Actor, rev: int) -> None:
    """Let the gateway use these credentials again."""
    with transaction.atomic():
        _switch(stored_at(api_key, rev), on=True, by=by)


def _switch(stored: ApiKey, *, on: bool, by: Actor) -> None:
    act = "enabled" if on else "disabled"
    if stored.enabled == on:
        raise ValidationError(f"This key is {act} already.")
    swap(stored, rev=stored.rev, enabled=on)
    Event.record(by, act, stored)
