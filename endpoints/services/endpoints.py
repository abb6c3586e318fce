"""Create, edit and delete endpoints with their routes."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.models import Event
from apikeys.services import Conflict, lock_keys
from endpoints.models import NAME_TAKEN, Endpoint, Route

from .routes import clean_routes, fallbacks, name_of, primaries

DETAILS = ("name", "enabled", "description")
KEY_GONE = "This key was deleted in the meantime. Choose another."


def create_endpoint(endpoint: Endpoint, routes: Sequence[Route], *, by: Actor) -> Endpoint:
    """Save a new endpoint with its routes. Raises ``ValidationError``."""
    _validate(endpoint, routes)
    endpoint.created_by = by.name
    try:
        with transaction.atomic():
            _lock_keys(routes)
            endpoint.save(force_insert=True)
            _save_routes(endpoint, routes)
            Event.record(by, "created", endpoint, fields=[*DETAILS, *_changes([], routes)])
    except IntegrityError:
        raise ValidationError({"name": NAME_TAKEN}) from None
    return endpoint


def update_endpoint(
    endpoint: Endpoint, routes: Sequence[Route], *, by: Actor, rev: int
) -> list[str]:
    """Save what differs, and return the names of what changed. ``routes`` are all that it keeps.

    Raises ``ValidationError``, and ``Conflict`` where the endpoint is no longer at ``rev``.
    """
    _validate(endpoint, routes)
    try:
        with transaction.atomic():
            stored = Endpoint.objects.filter(pk=endpoint.pk, rev=rev).first()
            if stored is None:
                raise Conflict
            before = list(stored.routes.all())
            changed = [name for name in DETAILS if getattr(endpoint, name) != getattr(stored, name)]
            changed += _changes(before, routes)
            if changed:
                _lock_keys(routes, before)
                save_details(endpoint, rev=rev)
                _save_routes(endpoint, routes)
                Event.record(by, "edited", endpoint, fields=changed)
    except IntegrityError:
        raise ValidationError({"name": NAME_TAKEN}) from None
    return changed


def delete_endpoint(endpoint: Endpoint, *, by: Actor, rev: int, confirmation: str = "") -> None:
    """Delete ``endpoint``; one that is active asks for its name.

    Raises ``ValidationError``, and ``Conflict`` where it is no longer at ``rev``.
    """
    with transaction.atomic():
        stored = Endpoint.objects.select_for_update().filter(pk=endpoint.pk, rev=rev).first()
        if stored is None:
            raise Conflict
        if stored.state() == Endpoint.State.ACTIVE and confirmation.strip() != stored.name:
            raise ValidationError(
                {"confirmation": f"Type the name of the endpoint, {stored.name}, to delete it."}
            )
        Event.record(by, "deleted", stored)
        stored.delete()


def touch(endpoint_ids: Iterable[int]) -> None:
    """Mark endpoints as changed, so that a page that shows their old state notices."""
    Endpoint.objects.filter(pk__in=endpoint_ids).update(rev=F("rev") + 1, updated_at=timezone.now())


def save_details(endpoint: Endpoint, *, rev: int) -> None:
    """Write the row itself, if it is still at ``rev``. The caller writes routes and the event."""
    endpoint.updated_at = timezone.now()
    values = {name: getattr(endpoint, name) for name in (*DETAILS, "updated_at")}
    if not Endpoint.objects.filter(pk=endpoint.pk, rev=rev).update(**values, rev=F("rev") + 1):
        raise Conflict
    endpoint.rev = rev + 1


def _validate(endpoint: Endpoint, routes: Sequence[Route]) -> None:
    errors: dict[str, list[str]] = {}
    for check in (endpoint.full_clean, lambda: clean_routes(routes)):
        try:
            check()
        except ValidationError as error:
            errors = error.update_error_dict(errors)
    if errors:
        raise ValidationError(errors)


def _changes(before: Sequence[Route], after: Sequence[Route]) -> list[str]:
    """Return the names of what differs: fields of the one route, or ``routes`` of several."""
    old, new = _contents(before), _contents(after)
    if old == new:
        return []
    if len(new) > 1 or len(old) > 1:
        return ["routes"]
    if not old:
        return ["model", "api_key"]
    return [name for name in ("model", "api_key") if old[0][name] != new[0][name]] or ["routes"]


def _contents(routes: Sequence[Route]) -> list[dict[str, Any]]:
    shared = [(route, route.weight) for route in primaries(routes)]
    return [
        {"kind": route.kind, "api_key": route.api_key_id, "model": route.model, "weight": weight}
        for route, weight in [*shared, *((route, None) for route in fallbacks(routes))]
    ]


def _lock_keys(routes: Sequence[Route], before: Sequence[Route] = ()) -> None:
    """Keep the keys of ``routes`` from being deleted now; refuse where one is gone already."""
    locked = lock_keys(*{route.api_key_id for route in (*routes, *before)})
    gone = {
        name_of("api_key", number): KEY_GONE
        for number, route in enumerate(routes, 1)
        if route.api_key_id and route.api_key_id not in locked
    }
    if gone:
        raise ValidationError(gone)


def _save_routes(endpoint: Endpoint, routes: Sequence[Route]) -> None:
    """Make ``routes``, in their order, all that ``endpoint`` has."""
    endpoint.routes.exclude(pk__in=[route.pk for route in routes if route.pk]).delete()
    for position, route in enumerate(routes):
        route.endpoint, route.position = endpoint, position
        route.save()
