"""Whether endpoints can serve, and why not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apikeys.models import ApiKey, CredentialVersion, Restriction
from endpoints.models import Endpoint, Route
from endpoints.services.health import health_of, in_state, unhealthy_counts
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.usage import state_of, use

pytestmark = pytest.mark.django_db

STATES = ("active", "degraded", "down", "disabled")
HALF_PAST_TEN = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def at_half_past_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: HALF_PAST_TEN)


@pytest.fixture
def two_routes(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Endpoint:
    """A primary and a fallback, last changed long ago."""
    routes = [
        Route(api_key=make_key("first"), model="gpt-5"),
        Route(api_key=make_key("second", "anthropic"), model="sonnet", kind="fallback"),
    ]
    endpoint = make_endpoint("search", routes=routes)
    long_ago = HALF_PAST_TEN - 365 * 24 * HOUR
    Endpoint.objects.update(updated_at=long_ago)
    ApiKey.objects.update(credentials_changed_at=long_ago)
    return endpoint


def put(name: str, **facts: object) -> Callable[[], None]:
    return lambda: ApiKey.objects.filter(name=name).update(**facts)


def reasons(endpoint: Endpoint) -> list[str]:
    stored = Endpoint.objects.with_routes().get(pk=endpoint.pk)
    return list(health_of([stored])[stored.pk].reasons)


def assert_found_as(endpoint: Endpoint, state: str) -> None:
    """The state of a loaded endpoint, and the filter of the list, are the same."""
    assert state_of(endpoint) == state
    for each in STATES:
        assert in_state(Endpoint.objects.all(), each).exists() == (each == state), each


def restrict(name: str, model: str, cause: str = "no_credit") -> None:
    key = ApiKey.objects.get(name=name)
    ApiKey.objects.filter(pk=key.pk).update(restricted=True)
    Restriction.objects.create(
        version_id=key.current_id,
        model=model,
        operation="chat/completions" if model else "",
        cause=cause,
        status=403,
        since=HALF_PAST_TEN,
        last_at=HALF_PAST_TEN,
    )


@pytest.mark.parametrize(
    ("model", "state"), [("", "degraded"), ("gpt-5", "degraded"), ("other", "active")]
)
def test_a_route_that_its_provider_restricts_is_marked(
    model: str, state: str, two_routes: Endpoint
) -> None:
    restrict("first", model)

    assert_found_as(two_routes, state)
    expected = ["Primary: out of credit (the provider returned 403)"] if state == "degraded" else []
    assert reasons(two_routes) == expected


def test_a_restriction_says_why_requests_fail(two_routes: Endpoint, at_half_past_ten: None) -> None:
    restrict("first", "", "location")
    use(two_routes.routes.all()[0], requests=3, refused=3, ago=timedelta(minutes=5))

    [reason] = reasons(two_routes)
    assert reason.startswith("Primary: location not supported (3 of 3 requests failed since ")
    assert_found_as(two_routes, "degraded")


def test_restrictions_are_looked_up_only_where_a_key_has_some(
    two_routes: Endpoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    stored = Endpoint.objects.with_routes().get()
    with django_assert_num_queries(1):
        health_of([stored])
    restrict("first", "gpt-5")
    restrict("second", "sonnet")
    stored = Endpoint.objects.with_routes().get()
    with django_assert_num_queries(2):
        assert len(health_of([stored])[stored.pk].troubles) == 2


PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "mark", "blocks"),
    [
        ({}, "", False),
        ({"enabled": False}, "disabled key", True),
        ({"current": None}, "no credentials", True),
        ({"refused_at": PAST}, "refused by provider", True),
        ({"expires_at": PAST}, "expired key", False),
        ({"expires_at": PAST, "refused_at": PAST}, "refused by provider", True),
        ({"due_at": PAST, "overdue_at": PAST}, "", False),
    ],
)
def test_what_is_wrong_with_a_key(
    facts: dict[str, object], mark: str, blocks: bool, two_routes: Endpoint
) -> None:
    put("first", **facts)()

    assert_found_as(two_routes, "degraded" if mark else "active")
    assert reasons(two_routes) == ([f"Primary: {mark}"] if mark else [])

    put("second", **facts)()
    assert_found_as(two_routes, "down" if blocks else "degraded" if mark else "active")


def test_a_route_without_a_key_cannot_serve(two_routes: Endpoint) -> None:
    Route.objects.filter(kind="fallback").update(api_key=None)
    assert_found_as(two_routes, "degraded")
    assert reasons(two_routes) == ["1st fallback: no key"]

    Route.objects.update(api_key=None)
    assert_found_as(two_routes, "down")


def test_a_key_whose_master_key_is_missing_is_unreadable(two_routes: Endpoint) -> None:
    key = ApiKey.objects.get(name="first")
    CredentialVersion.objects.filter(pk=key.current_id).update(master_key="0123456789abcdef")

    assert_found_as(two_routes, "degraded")
    assert reasons(two_routes) == ["Primary: unreadable key (its master key is missing)"]


def test_an_endpoint_without_routes_is_down(db: None) -> None:
    assert_found_as(Endpoint.objects.create(name="empty"), "down")


def test_a_disabled_endpoint_is_disabled_whatever_its_keys_are(two_routes: Endpoint) -> None:
    Endpoint.objects.update(enabled=False)
    ApiKey.objects.update(enabled=False)

    assert_found_as(two_routes, "disabled")
    assert reasons(two_routes) == ["Primary: disabled key", "1st fallback: disabled key"]
    assert unhealthy_counts() == []


@pytest.mark.usefixtures("at_half_past_ten")
@pytest.mark.parametrize(
    ("this_hour", "hour_before", "detail"),
    [
        ((42, 42), (0, 0), "42 of 42 requests failed since 10:00"),
        ((0, 0), (9, 9), "9 of 9 requests failed since 09:00"),
        ((2, 2), (2, 2), "4 of 4 requests failed since 09:00"),
        ((3, 3), (9, 0), "3 of 3 requests failed since 09:30"),
        ((2, 2), (9, 1), "3 of 3 requests failed since 09:30"),
        ((0, 0), (9, 8), "8 of 8 requests failed since 09:30"),
        ((2, 2), (9, 0), ""),  # too few to say
        ((2, 2), (0, 0), ""),
        ((42, 41), (9, 9), ""),  # one success is enough
        ((0, 0), (0, 0), ""),
    ],
)
def test_a_route_fails_when_none_of_its_recent_requests_succeeded(
    this_hour: tuple[int, int], hour_before: tuple[int, int], detail: str, two_routes: Endpoint
) -> None:
    route = two_routes.routes.get(kind="primary")
    for hours, (requests, failed) in enumerate((this_hour, hour_before)):
        if requests:
            use(route, ago=hours * HOUR, at=HALF_PAST_TEN, requests=requests, unreachable=failed)

    assert_found_as(two_routes, "degraded" if detail else "active")
    assert reasons(two_routes) == ([f"Primary: failing ({detail})"] if detail else [])


@pytest.mark.usefixtures("at_half_past_ten")
def test_failures_after_a_success_in_the_same_hour_show_within_a_minute(
    two_routes: Endpoint, make_token: MakeToken
) -> None:
    route, now = two_routes.routes.get(kind="primary"), HALF_PAST_TEN
    one, other = make_token("one"), make_token("other")
    use(route, one, at=now - timedelta(minutes=10), requests=50)
    use(route, one, at=now - timedelta(minutes=8), requests=2, unreachable=2)
    assert_found_as(two_routes, "active")
    use(route, one, at=now - timedelta(minutes=5), requests=9, unreachable=4, client_errors=5)
    assert_found_as(two_routes, "degraded")
    assert reasons(two_routes) == ["Primary: failing (6 of 6 requests failed since 10:20)"]

    use(route, other, at=now - timedelta(minutes=3))  # with another token it works
    assert_found_as(two_routes, "active")
    use(route, other, at=now - timedelta(minutes=2), requests=2, refused=2)
    assert_found_as(two_routes, "active")
    use(route, one, at=now, requests=2, rate_limited=2)
    assert_found_as(two_routes, "degraded")
    use(route, one, at=now)
    assert_found_as(two_routes, "active")


@pytest.mark.usefixtures("at_half_past_ten")
def test_a_busy_route_that_succeeded_just_now_is_not_failing(two_routes: Endpoint) -> None:
    route = two_routes.routes.get(kind="primary")
    use(route, at=HALF_PAST_TEN - timedelta(seconds=59))
    use(route, at=HALF_PAST_TEN, requests=40, rate_limited=40)
    assert_found_as(two_routes, "active")


@pytest.mark.usefixtures("at_half_past_ten")
@pytest.mark.parametrize("kind", ["rate_limited", "refused", "provider_errors", "unreachable"])
def test_an_endpoint_is_down_when_all_its_routes_fail(kind: str, two_routes: Endpoint) -> None:
    for route in two_routes.routes.all():
        use(route, at=HALF_PAST_TEN, requests=3, **{kind: 3})

    assert_found_as(two_routes, "down")
    assert [(state.value, count) for state, count in unhealthy_counts()] == [("down", 1)]


@pytest.mark.usefixtures("at_half_past_ten")
def test_bad_and_canceled_requests_say_nothing_about_a_route(two_routes: Endpoint) -> None:
    route = two_routes.routes.get(kind="primary")
    use(route, at=HALF_PAST_TEN, requests=9, client_errors=5, canceled=4)
    assert_found_as(two_routes, "active")

    use(route, at=HALF_PAST_TEN, requests=3, unreachable=3)
    assert reasons(two_routes) == ["Primary: failing (3 of 3 requests failed since 10:00)"]


@pytest.mark.usefixtures("at_half_past_ten")
@pytest.mark.parametrize("what", [Endpoint, ApiKey])
def test_failures_from_before_a_change_do_not_count(
    what: type[Endpoint | ApiKey], two_routes: Endpoint
) -> None:
    route = two_routes.routes.get(kind="primary")
    use(route, at=HALF_PAST_TEN - timedelta(minutes=9), requests=42, refused=42)
    assert_found_as(two_routes, "degraded")

    column = "updated_at" if what is Endpoint else "credentials_changed_at"
    what.objects.update(**{column: HALF_PAST_TEN - timedelta(minutes=5)})
    assert_found_as(two_routes, "active")

    use(route, at=HALF_PAST_TEN, requests=1, refused=1)
    assert_found_as(two_routes, "degraded")


def test_the_health_of_many_takes_one_query(
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    key = make_key()
    for number in range(9):
        use(make_endpoint(f"endpoint-{number}", key).routes.get(), requests=3, unreachable=3)
    endpoints = list(Endpoint.objects.with_routes())

    with django_assert_num_queries(1):
        assert {health.state for health in health_of(endpoints).values()} == {"down"}
