"""Whether endpoints can serve: what the gateway would do now, and how recent requests went.

Lists and filters recognize unreadable credentials by the master key that their row names, which
needs no opening. An endpoint's own page opens them as well (``opening``), and so also finds damaged
credentials and those sealed for another address. Either way, requests that fail show in lists too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apikeys.models import ApiKey, Restriction
from apikeys.models.deadlines import Status, condition
from apikeys.sealing import master_keys
from apikeys.services.master_key_rotation import missing_master_keys
from endpoints.models import Endpoint, EndpointQuerySet, Route
from endpoints.traffic import Failures, traffic

from .routes import titled

State = Endpoint.State


class HealthIssue(models.TextChoices):
    """Why a route cannot serve, or may not: the first that applies counts."""

    NO_KEY = "no_key", "No key"
    DISABLED = "disabled", "Disabled key"
    NO_CREDENTIALS = "no_credentials", "No credentials"
    UNREADABLE = "unreadable", "Unreadable key"
    REFUSED = "refused", "Refused by provider"
    FAILING = "failing", "Failing"
    EXPIRED = "expired", "Expired key"  # the gateway still uses it, and the provider may take it
    RESTRICTED = "restricted", "Restricted by provider"  # for one call, or just now

    @property
    def blocks(self) -> bool:
        """Whether the route cannot serve. Otherwise it may still work."""
        return self not in (HealthIssue.EXPIRED, HealthIssue.RESTRICTED)


BLOCKING = [issue for issue in HealthIssue if issue.blocks]
OF_THE_KEY = [issue for issue in BLOCKING if issue != HealthIssue.FAILING]


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one route."""

    issue: HealthIssue
    detail: str = ""
    cause: str = ""  # why the provider refuses requests, if it said so

    @property
    def label(self) -> str:
        return self.cause or self.issue.label


@dataclass(frozen=True)
class Health:
    state: State
    troubles: Mapping[int, Trouble] = field(default_factory=dict)  # by the route's primary key
    reasons: Sequence[str] = ()

    @property
    def lacks_keys(self) -> bool:
        """Whether what is missing is a key, on every route."""
        return all(trouble.issue == HealthIssue.NO_KEY for trouble in self.troubles.values())


def health_of(endpoints: Collection[Endpoint], *, opening: bool = False) -> dict[int, Health]:
    """Return the health of each endpoint by its primary key. One query for all of them, and another
    if a provider restricts one of their keys.

    ``endpoints`` come ``with_routes``. With ``opening``, credentials are opened to see if they do.
    """
    failures = traffic().failures([endpoint.pk for endpoint in endpoints])
    restrictions = _restrictions_of(endpoints)
    return {
        endpoint.pk: _health(endpoint, failures, restrictions, opening) for endpoint in endpoints
    }


def in_state(endpoints: EndpointQuerySet, state: str) -> EndpointQuerySet:
    """Keep those in one ``Endpoint.State``."""
    match state:
        case State.DISABLED:
            return endpoints.filter(enabled=False)
        case State.DOWN:
            return endpoints.filter(_Troubles().are_down(), enabled=True)
        case State.DEGRADED:
            troubles = _Troubles()
            return endpoints.filter(troubles.exist(), ~troubles.are_down(), enabled=True)
        case State.ACTIVE:
            return endpoints.filter(~_Troubles().exist(), enabled=True)
    return endpoints


def unhealthy_counts() -> list[tuple[State, int]]:
    """Return how many endpoints are down and degraded, without those that are none."""
    troubles, enabled = _Troubles(), Endpoint.objects.filter(enabled=True)
    down = enabled.filter(troubles.are_down()).count()
    degraded = enabled.filter(troubles.exist()).count() - down
    counts = ((State.DOWN, down), (State.DEGRADED, degraded))
    return [(state, count) for state, count in counts if count]


def has_working_key(endpoint: Endpoint, route: Route) -> bool:
    """Whether the key of ``route`` is there and can be used, whatever its traffic."""
    trouble = _trouble(endpoint, route, failures=None, restriction=None, opening=False)
    return trouble is None or not trouble.issue.blocks


def _with_working_key(missing: Collection[str]) -> Q:
    """The same, as a condition on routes."""
    return Q(api_key__isnull=False) & ~Q(api_key__in=_keys_with(OF_THE_KEY, missing))


def _restrictions_of(endpoints: Collection[Endpoint]) -> dict[int, Restriction]:
    """Return what restricts each route: its key as a whole, or else one of its model's calls."""
    restricted = [
        (route.pk, route.api_key.current_id, route.model)
        for endpoint in endpoints
        for route in endpoint.routes.all()
        if route.api_key is not None and route.api_key.restricted
    ]
    if not restricted:
        return {}
    stored = Restriction.objects.filter(version__in={version for _, version, _ in restricted})
    by_call: dict[tuple[UUID | None, str], Restriction] = {}
    for each in stored:
        by_call.setdefault((each.version_id, each.model), each)
    found = (
        (pk, by_call.get((version, "")) or by_call.get((version, model)))
        for pk, version, model in restricted
    )
    return {pk: restriction for pk, restriction in found if restriction}


def _health(
    endpoint: Endpoint,
    failures: Mapping[int, Failures],
    restrictions: Mapping[int, Restriction],
    opening: bool,
) -> Health:
    routes = list(endpoint.routes.all())
    troubles = {
        route.pk: trouble
        for route in routes
        if (
            trouble := _trouble(
                endpoint, route, failures.get(route.pk), restrictions.get(route.pk), opening
            )
        )
    }
    blocked = [trouble for trouble in troubles.values() if trouble.issue.blocks]
    if not endpoint.enabled:
        state = State.DISABLED
    elif len(blocked) == len(routes):
        state = State.DOWN
    else:
        state = State.DEGRADED if troubles else State.ACTIVE
    reasons = [] if routes else ["No routes"]
    for title, route in titled(routes):
        if trouble := troubles.get(route.pk):
            detail = f" ({trouble.detail.rstrip('.')})" if trouble.detail else ""
            reasons.append(f"{title}: {trouble.label.lower()}{detail}")
    return Health(state, troubles, reasons)


def _trouble(
    endpoint: Endpoint,
    route: Route,
    failures: Failures | None,
    restriction: Restriction | None,
    opening: bool,
) -> Trouble | None:
    key = route.api_key
    if key is None:
        return Trouble(HealthIssue.NO_KEY)
    statuses = key.statuses()
    if Status.DISABLED in statuses:
        return Trouble(HealthIssue.DISABLED)
    if key.current is None:
        return Trouble(HealthIssue.NO_CREDENTIALS)
    if key.current.master_key not in master_keys().fingerprints:
        return Trouble(HealthIssue.UNREADABLE, "its master key is missing")
    if opening and (why := key.unreadable_because()):
        return Trouble(HealthIssue.UNREADABLE, why)
    if Status.REFUSED in statuses:
        return Trouble(HealthIssue.REFUSED)
    changed_at = max(endpoint.updated_at, key.credentials_changed_at)
    if failures is not None and failures.last_at >= changed_at:
        cause = restriction.get_cause_display() if restriction else ""
        return Trouble(HealthIssue.FAILING, str(failures), cause)
    if Status.EXPIRED in statuses:
        return Trouble(HealthIssue.EXPIRED)
    if restriction is not None:
        cause = restriction.get_cause_display()
        return Trouble(HealthIssue.RESTRICTED, f"the provider returned {restriction.reply}", cause)
    return None


def _keys_with(issues: Collection[HealthIssue], missing: Collection[str]) -> QuerySet[ApiKey, Any]:
    """Return the keys with any of ``issues``. Few keys have one, and each has an index. ``missing``
    are the fingerprints of missing master keys."""
    now = timezone.now()
    conditions = {
        HealthIssue.NO_CREDENTIALS: Q(current=None),
        HealthIssue.UNREADABLE: Q(current__master_key__in=missing),
        HealthIssue.DISABLED: condition(Status.DISABLED, now),
        HealthIssue.REFUSED: condition(Status.REFUSED, now),
        HealthIssue.EXPIRED: condition(Status.EXPIRED, now),
    }
    first, *others = (
        ApiKey.objects.filter(which).values("pk")
        for issue, which in conditions.items()
        if issue in issues
    )
    return first.union(*others, all=True)


class _Troubles:
    """The same as ``_trouble`` finds, as conditions on endpoints."""

    def __init__(self) -> None:
        """Look up the routes that fail now, and those that are restricted."""
        self.missing = missing_master_keys()
        failures = traffic().failures()
        routes = Route.objects.filter(pk__in=failures, api_key__isnull=False).values_list(
            "pk", "endpoint__updated_at", "api_key__credentials_changed_at"
        )
        self.failing = [pk for pk, *changes in routes if failures[pk].last_at >= max(changes)]
        of_the_key = Restriction.objects.filter(version=OuterRef("api_key__current"))
        of_the_route = of_the_key.filter(model__in=["", OuterRef("model")])
        self.restricted = list(
            Route.objects.filter(Exists(of_the_route), api_key__restricted=True).values_list(
                "pk", flat=True
            )
        )

    def exist(self) -> Q:
        """Some route has an issue, or there is no route."""
        return self._any_of(HealthIssue) | Q(~_has_routes())

    def are_down(self) -> Q:
        """Every route has an issue that blocks it."""
        serving = Route.objects.filter(_with_working_key(self.missing), endpoint=OuterRef("pk"))
        serving = serving.exclude(pk__in=self.failing)
        return (self._any_of(BLOCKING) & Q(~Exists(serving))) | Q(~_has_routes())

    def _any_of(self, issues: Collection[HealthIssue]) -> Q:
        routes = Route.objects.order_by().values("endpoint")
        broken = routes.filter(api_key__in=_keys_with(issues, self.missing))
        restricted = self.restricted if HealthIssue.RESTRICTED in issues else []
        others = routes.filter(api_key=None), routes.filter(pk__in=[*self.failing, *restricted])
        return Q(pk__in=broken.union(*others, all=True))


def _has_routes() -> Exists:
    return Exists(Route.objects.filter(endpoint=OuterRef("pk")))
