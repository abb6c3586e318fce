"""Create, edit and delete endpoints with their routes."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.naming import unique_name

from .routes import clean_routes, fallbacks, name_of, primaries

DETAILS = ("name", "enabled", "sticky", "description")
KEY_GONE = "This key has been deleted. Choose another one."


def create_endpoint(endpoint: Endpoint, routes: Sequence[Route], *, by: Actor) -> Endpoint:
    """Save a new endpoint with its routes. Raises ``ValidationError``."""
    _validate(endpoint, routes)
    endpoint.created_by = by.name
    with unique_name(Endpoint, "name"), transaction.atomic():
        _lock_keys(routes)
        endpoint.save(force_insert=True)
        _save_routes(endpoint, routes)
        AuditEvent.record(by, "created", endpoint, fields=[*DETAILS, *_changes([], routes)])
    return endpoint


def update_endpoint(
    endpoint: Endpoint, routes: Sequence[Route], *, by: Actor, rev: int
) -> list[str]:
    """Save what differs, and return the names of what changed. ``routes`` are all that it keeps.

    Raises ``ValidationError``, and ``Conflict`` where the endpoint is no longer at ``rev``.
    """
    _validate(endpoint, routes)
    with unique_name(Endpoint, "name"), transaction.atomic():
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
            AuditEvent.record(by, "edited", endpoint, fields=changed)
    return changed


def delete_endpoint(endpoint: Endpoint, *, by: Actor, rev: int, confirmation: str = "") -> None:
    """Delete ``endpoint``; one that is active asks for its name.

    Raises ``ValidationError``, and ``Conflict`` where it is no longer at ``rev``.
    """
    with transaction.atomic():
        stored = Endpoint.objects.select_for_update().filter(pk=endpoint.pk, rev=rev).first()
        if stored is None:
            raise Conflict
        if stored.is_in_use() and confirmation.strip() != stored.name:
            raise ValidationError(
                {"confirmation": f"Type the name of the endpoint, {stored.name}, to delete it."}
            )
        AuditEvent.record(by, "deleted", stored)
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
    errors: dict[str, list[Any]] = {}
    checks: Sequence[Callable[[], None]] = (endpoint.full_clean, partial(clean_routes, routes))
    for check in checks:
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
    locked = ApiKey.objects.lock(*{route.api_key_id for route in (*routes, *before)})
    gone = {
        name_of("api_key", index): KEY_GONE
        for index, route in enumerate(routes)
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
