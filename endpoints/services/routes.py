"""What the routes of one endpoint have to be, each of them and together."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from apikeys.models import ApiKey
from endpoints.models import Route

MOST_ROUTES = 20
ALL_TRAFFIC = 100  # percent
PREFIX = "routes"  # of the formset that has them
FIELDS = ("kind", "route", "api_key", "model", "weight")
# What providers call their embedding models: text-embedding-3-small, embed-v4.0, bge-m3, voyage-3.
_EMBEDDING_MODEL = re.compile(r"embed|(?:^|/)(?:bge|e5|gte|voyage)-(?!.*rerank)", re.IGNORECASE)


def name_of(field: str, index: int) -> str:
    """Return what ``field`` of the route at ``index`` is called in forms and errors."""
    return f"{PREFIX}-{index}-{field}"


def clean_routes(routes: Sequence[Route]) -> None:
    """Check each route, and then all of them together.

    Raises ``ValidationError`` under the names of ``name_of``, or under ``routes`` for what is about
    several.
    """
    errors: dict[str, Any] = {}
    for index, route in enumerate(routes):
        try:
            route.full_clean(exclude={"endpoint"})
        except ValidationError as error:
            errors |= {name_of(field, index): found for field, found in error.error_dict.items()}
    if errors:
        raise ValidationError(errors)
    try:
        check_routes(routes)
    except ValidationError as error:
        raise ValidationError({"routes": error.messages}) from None


def check_routes(routes: Sequence[Route]) -> None:
    """Refuse valid routes that make no sense together."""
    errors = []
    if len(routes) > MOST_ROUTES:
        errors.append(
            f"An endpoint has at most {MOST_ROUTES} routes. Remove {len(routes) - MOST_ROUTES}."
        )
    errors += _repetitions(routes)
    if not primaries(routes):
        errors.append("Add a primary route. Every request starts there.")
    elif (total := weight_of(routes)) != ALL_TRAFFIC:
        errors.append(
            f"The weights of the primary routes add up to {total}. Make them {ALL_TRAFFIC}."
        )
    if errors:
        raise ValidationError(errors)


def primaries(routes: Iterable[Route]) -> list[Route]:
    return [route for route in routes if route.kind == Route.Kind.PRIMARY]


def fallbacks(routes: Iterable[Route]) -> list[Route]:
    return [route for route in routes if route.kind == Route.Kind.FALLBACK]


def dialects_of(keys: Sequence[ApiKey]) -> list[str]:
    """Return the APIs that all of ``keys`` offer, OpenAI's first."""
    offered = [set(key.scheme.route.dialects if key.scheme.route else ()) for key in keys]
    return [
        dialect
        for dialect in ("openai", "anthropic", "google")
        if offered and all(dialect in each for each in offered)
    ]


def operations_of(key: ApiKey, dialect: str) -> Collection[str]:
    """Return which operations of ``dialect`` the key's provider is known to have."""
    route = key.scheme.route
    facts = route.dialects.get(dialect) if route else None  # type: ignore[call-overload]
    return facts.operations if facts else ()


def embeds(routes: Collection[Route]) -> bool:
    """Return whether all models are embedding models, by their names."""
    return bool(routes) and all(_EMBEDDING_MODEL.search(route.model) for route in routes)


def titled(routes: Iterable[Route]) -> list[tuple[str, Route]]:
    """Return each route with what it is called: Primary, Primary 2, 1st fallback."""
    first, then = primaries(routes), fallbacks(routes)
    names = ["Primary"] if len(first) == 1 else [f"Primary {n}" for n in range(1, len(first) + 1)]
    names += [fallback_title(place) for place in range(1, len(then) + 1)]
    return list(zip(names, [*first, *then], strict=True))


def fallback_title(place: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10 if place // 10 != 1 else 0, "th")
    return f"{place}{ending} fallback"


def weight_of(routes: Iterable[Route]) -> int:
    """Return what the weights of the primary routes add up to: 100, where all is well."""
    return sum(route.weight for route in primaries(routes))


def _repetitions(routes: Sequence[Route]) -> Iterable[str]:
    counts = Counter((route.api_key_id, route.model) for route in routes if route.api_key_id)
    repeated = {choice: count for choice, count in counts.items() if count > 1}
    names = dict(
        ApiKey.objects.filter(pk__in={key for key, _ in repeated}).values_list("pk", "name")
    )
    for (api_key_id, model), count in repeated.items():
        if name := names.get(api_key_id):  # a key that was just deleted is refused by the lock
            times = "twice" if count == 2 else f"{count} times"
            yield f"{name} with {model} is listed {times}. Keep one of them."
