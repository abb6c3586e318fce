"""Which endpoints depend on a key that is about to change."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from apikeys.blast_radius import BlastRadius, Dependent
from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent

from .endpoints import touch
from .health import has_working_key, health_of

USES_BOTH = "{} already uses {} with the same model. Edit its routes instead, or leave it out."


class KeyDependents:
    """The endpoints that depend on a key, for the apikeys app."""

    def of(self, *api_keys: ApiKey) -> BlastRadius:
        ids = {key.pk for key in api_keys}
        endpoints = (
            Endpoint.objects.filter(routes__api_key__in=ids)
            .distinct()
            .with_routes()
            .order_by("name")
        )
        health = health_of(endpoints)
        return BlastRadius(
            tuple(
                Dependent(
                    name=endpoint.name,
                    url=endpoint.get_absolute_url(),
                    active=endpoint.enabled,
                    left_without_key=not any(
                        route.api_key_id not in ids and has_working_key(endpoint, route)
                        for route in endpoint.routes.all()
                    ),
                    state=health[endpoint.pk].state.label,
                    tone=health[endpoint.pk].state.tone,
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

    def count(self) -> Combinable:
        routes = Route.objects.filter(api_key=OuterRef("pk")).order_by().values("api_key")
        counted = routes.annotate(count=Count("endpoint", distinct=True))
        return Coalesce(Subquery(counted.values("count")), 0)

    def replace(
        self, api_keys: Collection[ApiKey], replacement: ApiKey | None, *, by: Actor
    ) -> None:
        routes = Route.objects.filter(api_key__in=api_keys)
        then = f"; {replacement.name} took over" if replacement else ""

        def note(names: Sequence[str]) -> str:
            return f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} deleted{then}"

        _point(routes, replacement, note, by=by)

    def move(self, api_key: ApiKey, target: ApiKey, *, names: Collection[str], by: Actor) -> None:
        routes = Route.objects.filter(api_key=api_key, endpoint__name__in=names)
        same = Route.objects.filter(
            api_key=target, endpoint=OuterRef("endpoint"), model=OuterRef("model")
        )
        if twice := routes.filter(Exists(same)).values_list("endpoint__name", flat=True).distinct():
            raise ValidationError({"names": USES_BOTH.format(", ".join(twice[:5]), target.name)})
        _point(routes, target, lambda _: f"moved from {api_key.name} to {target.name}", by=by)


def _point(
    routes: QuerySet[Route],
    api_key: ApiKey | None,
    note: Callable[[Sequence[str]], str],
    *,
    by: Actor,
) -> None:
    """Give ``routes`` another key, or none. ``note`` turns the old names into the event's note."""
    old_names: dict[Endpoint, list[str]] = {}
    for route in routes.select_related("endpoint", "api_key").order_by("endpoint", "id"):
        names = old_names.setdefault(route.endpoint, [])
        if route.api_key and route.api_key.name not in names:
            names.append(route.api_key.name)
    routes.update(api_key=api_key)
    touch(endpoint.pk for endpoint in old_names)
    act = "key replaced" if api_key else "key removed"
    AuditEvent.record_all(
        AuditEvent.of(by, act, endpoint, fields=["api_key"], note=note(names))
        for endpoint, names in old_names.items()
    )
