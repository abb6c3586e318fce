"""What can be done with endpoints, and what they answer when a key is about to change."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, OuterRef
from django.utils import timezone

from apikeys.actors import Actor
from apikeys.dependents import BlastRadius, Dependent
from apikeys.models import ApiKey, Event
from apikeys.services import Conflict, lock_keys
from endpoints.models import NAME_TAKEN, Endpoint, Route

DETAILS = ("name", "enabled", "description")


def create_endpoint(endpoint: Endpoint, route: Route, *, by: Actor) -> Endpoint:
    """Save a new endpoint with its first route. Raises ``ValidationError``."""
    _validate(endpoint, route)
    endpoint.created_by = by.name
    try:
        with transaction.atomic():
            _lock_key(route)
            endpoint.save(force_insert=True)
            route.endpoint = endpoint
            route.save()
            Event.record(by, "created", endpoint, fields=[*DETAILS, "model", "api_key"])
    except IntegrityError:
        raise ValidationError({"name": NAME_TAKEN}) from None
    return endpoint


def update_endpoint(endpoint: Endpoint, route: Route, *, by: Actor, rev: int) -> list[str]:
    """Save what differs, and return the names of what changed.

    Raises ``ValidationError``, and ``Conflict`` where the endpoint is no longer at ``rev``.
    """
    _validate(endpoint, route)
    try:
        with transaction.atomic():
            stored = Endpoint.objects.filter(pk=endpoint.pk, rev=rev).first()
            if stored is None:
                raise Conflict
            old_route = stored.routes.filter(pk=route.pk).first()
            changed = [name for name in DETAILS if getattr(endpoint, name) != getattr(stored, name)]
            if old_route is None or route.model != old_route.model:
                changed.append("model")
            if old_route is None or route.api_key_id != old_route.api_key_id:
                changed.append("api_key")
            if changed:
                _lock_key(route, old_route)
                save_details(endpoint, rev=rev)
                route.save()
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
        if stored.state() == "active" and confirmation.strip() != stored.name:
            raise ValidationError(
                {"confirmation": f"Type the name of the endpoint, {stored.name}, to delete it."}
            )
        Event.record(by, "deleted", stored)
        stored.delete()


def touch(endpoint_ids: Iterable[int]) -> None:
    """Mark endpoints as changed, so that a page that shows their old state notices."""
    Endpoint.objects.filter(pk__in=endpoint_ids).update(rev=F("rev") + 1, updated_at=timezone.now())


class KeyDependents:
    """Answers for the endpoints, where the apikeys app asks what depends on a key."""

    def of(self, api_key: ApiKey) -> BlastRadius:
        others = Route.objects.filter(endpoint=OuterRef("pk"), api_key__isnull=False).exclude(
            api_key=api_key
        )
        endpoints = (
            Endpoint.objects.filter(routes__api_key=api_key)
            .distinct()
            .annotate(has_other=Exists(others))
            .order_by("name")
        )
        return BlastRadius(
            tuple(
                Dependent(
                    name=endpoint.name,
                    url=endpoint.get_absolute_url(),
                    active=endpoint.enabled,
                    left_without_key=not endpoint.has_other,
                )
                for endpoint in endpoints
            )
        )

    def counts(self, ids: Iterable[UUID]) -> Mapping[UUID, int]:
        rows = (
            Route.objects.filter(api_key__in=list(ids))
            .order_by()
            .values_list("api_key")
            .annotate(Count("endpoint", distinct=True))
        )
        return dict(rows)

    def move(self, api_key: ApiKey, replacement: ApiKey | None, *, by: Actor) -> None:
        routes = Route.objects.filter(api_key=api_key)
        endpoints = list(Endpoint.objects.filter(routes__in=routes).distinct())
        routes.update(api_key=replacement)
        touch(endpoint.pk for endpoint in endpoints)
        note = f"{api_key.name} was deleted" + (
            f"; {replacement.name} took over" if replacement else ""
        )
        for endpoint in endpoints:
            Event.record(
                by,
                "key replaced" if replacement else "key removed",
                endpoint,
                fields=["api_key"],
                note=note,
            )


def _validate(endpoint: Endpoint, route: Route) -> None:
    errors: dict[str, list[str]] = {}
    for row, exclude in ((endpoint, ()), (route, ("endpoint",))):
        try:
            row.full_clean(exclude=exclude)
        except ValidationError as error:
            errors = error.update_error_dict(errors)
    if errors:
        raise ValidationError(errors)


def _lock_key(route: Route, old_route: Route | None = None) -> None:
    """Keep the key of ``route`` from being deleted now; refuse where it is gone already."""
    locked = lock_keys(route.api_key_id, old_route and old_route.api_key_id)
    if route.api_key_id and route.api_key_id not in locked:
        raise ValidationError({"api_key": "This key was deleted in the meantime. Choose another."})


def save_details(endpoint: Endpoint, *, rev: int) -> None:
    """Write the row itself, if it is still at ``rev``. The caller writes routes and the event."""
    endpoint.updated_at = timezone.now()
    values = {name: getattr(endpoint, name) for name in (*DETAILS, "updated_at")}
    if not Endpoint.objects.filter(pk=endpoint.pk, rev=rev).update(**values, rev=F("rev") + 1):
        raise Conflict
    endpoint.rev = rev + 1
