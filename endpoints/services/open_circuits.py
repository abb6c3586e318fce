"""Store which routes server processes try last because their provider does not respond.

Times are those of the database's clock, because those of the machines may differ.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import models, transaction
from django.db.models import ExpressionWrapper, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from apikeys.models import CredentialVersion
from endpoints.models import OpenCircuit, Route

# How long a row outlasts its pause: one request then tries the route, and takes some time.
TRIAL = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(hours=1)


def store_open_circuit(version_id: UUID, model: str, *, seconds: float) -> None:
    """Store that requests try ``model`` last for ``seconds``. Removes what is past."""
    with transaction.atomic():
        OpenCircuit.objects.filter(until__lt=_from_now(-FORGOTTEN_AFTER)).delete()
        if CredentialVersion.objects.filter(pk=version_id).exists():  # not deleted meanwhile
            until = _from_now(timedelta(seconds=seconds) + TRIAL)
            OpenCircuit.objects.update_or_create(
                version_id=version_id,
                model=model,
                defaults={"until": until},
                create_defaults={"since": Now(), "until": until},
            )


def remove_open_circuit(version_id: UUID, model: str) -> None:
    """The provider responded."""
    OpenCircuit.objects.filter(version=version_id, model=model).delete()


def open_circuits() -> QuerySet[OpenCircuit]:
    """Return those that are open now."""
    return OpenCircuit.objects.filter(until__gt=Now())


def open_circuits_of(routes: Iterable[Route]) -> dict[int, OpenCircuit]:
    """Return the open circuit of each route that has one, by the route's primary key. One query."""
    used = [
        (route.pk, route.api_key.current_id, route.model)
        for route in routes
        if route.api_key is not None
    ]
    stored = {
        (each.version_id, each.model): each
        for each in open_circuits().filter(version__in={version for _, version, _ in used})
    }
    found = (
        (pk, stored.get((version, "")) or stored.get((version, model)))
        for pk, version, model in used
        if version is not None
    )
    return {pk: circuit for pk, circuit in found if circuit}


def _from_now(span: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + span, output_field=models.DateTimeField())
