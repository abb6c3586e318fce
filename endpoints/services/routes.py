"""What the routes of one endpoint have to be, each of them and together."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from apikeys.models import ApiKey
from endpoints.models import Route

MOST_ROUTES = 20
ALL_TRAFFIC = 100  # percent
FIELDS = ("kind", "route", "api_key", "model", "weight")


def name_of(field: str, number: int) -> str:
    """Return what ``field`` of the first, second, … route is called in forms and refusals."""
    return field if number == 1 else f"{field}_{number}"


def clean_routes(routes: Sequence[Route], *, known: Collection[str] = ()) -> None:
    """Check each route, and then all of them together.

    Raises ``ValidationError`` under the names of ``name_of``, or under ``routes`` for what is about
    several. Fields of which an error is ``known`` are left out.
    """
    names = {name_of(field, number) for number in range(1, len(routes) + 1) for field in FIELDS}
    errors: dict[str, Any] = {}
    for number, route in enumerate(routes, 1):
        exclude = {field for field in FIELDS if name_of(field, number) in known}
        try:
            route.full_clean(exclude={*exclude, "endpoint"})
        except ValidationError as error:
            errors |= {name_of(field, number): told for field, told in error.error_dict.items()}
    if errors:
        raise ValidationError(errors)
    if names.isdisjoint(known):
        check_routes(routes)


def check_routes(routes: Sequence[Route]) -> None:
    """Refuse valid routes that make no sense together."""
    told = [*_crowd(routes), *_repetitions(routes), *_shares(routes)]
    if told:
        raise ValidationError({"routes": told})


def primaries(routes: Iterable[Route]) -> list[Route]:
    return [route for route in routes if route.kind == Route.Kind.PRIMARY]


def fallbacks(routes: Iterable[Route]) -> list[Route]:
    return [route for route in routes if route.kind == Route.Kind.FALLBACK]


def weight_of(routes: Iterable[Route]) -> int:
    """Return what the weights of the primary routes add up to: 100, where all is well."""
    return sum(route.weight for route in primaries(routes))


def _crowd(routes: Sequence[Route]) -> Iterable[str]:
    if len(routes) > MOST_ROUTES:
        yield f"An endpoint has at most {MOST_ROUTES} routes. Remove {len(routes) - MOST_ROUTES}."


def _repetitions(routes: Sequence[Route]) -> Iterable[str]:
    counts = Counter((route.api_key_id, route.model) for route in routes if route.api_key_id)
    repeated = {choice: count for choice, count in counts.items() if count > 1}
    names = dict(
        ApiKey.objects.filter(pk__in={key for key, _ in repeated}).values_list("pk", "name")
    )
    for (api_key_id, model), count in repeated.items():
        if name := names.get(api_key_id):  # a key that was just deleted is refused by the lock
            yield f"{name} with {model} is listed {_times(count)}. Keep one of them."


def _shares(routes: Sequence[Route]) -> Iterable[str]:
    if not primaries(routes):
        yield "Every request begins at a primary route. Add one."
    elif (total := weight_of(routes)) != ALL_TRAFFIC:
        yield f"The weights of the primary routes add up to {total}. Make them {ALL_TRAFFIC}."


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
