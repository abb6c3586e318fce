"""What the endpoints answer when a key is about to change."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import Count, Exists, OuterRef

from apikeys.actors import Actor
from apikeys.dependents import BlastRadius, Dependent
from apikeys.models import ApiKey, Event
from endpoints.models import Endpoint, Route

from .endpoints import touch


class KeyDependents:
    """Answers for the endpoints, where the apikeys app asks what depends on a key."""

    def of(self, api_key: ApiKey) -> BlastRadius:
        others = Route.objects.filter(endpoint=OuterRef("pk"), api_key__enabled=True).exclude(
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
