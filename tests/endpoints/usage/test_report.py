"""What is reported of usage."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from endpoints.models import Route
from endpoints.usage.counts import COUNTS, ERRORS, LATENCIES, Counts
from endpoints.usage.latency import percentile
from endpoints.usage.models import UsageBucket
from endpoints.usage.report import UsageReport, in_short, usage_of
from endpoints.usage.time_ranges import LAST_DAYS, LAST_WEEK, span_between
from tests.conftest import MakeEndpoint, MakeKey, MakeToken
from tests.usage import use

pytestmark = pytest.mark.django_db

HALF_PAST_TEN = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def route(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Route:
    return make_endpoint("search", make_key()).routes.get()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Make it that time."""
    return lambda moment: monkeypatch.setattr(timezone, "now", lambda: moment)


def test_what_was_never_used_is_reported_as_such(route: Route) -> None:
    report = usage_of(api_key=route.api_key)

    assert report.last_used is None
    assert not report.points
    assert report.sums == Counts()
    assert report.cost is None


def test_a_report_adds_up_every_count(route: Route) -> None:
    counts = {name: number for number, name in enumerate((*COUNTS, *LATENCIES), 100)}
    use(route, **counts)
    use(route, ago=HOUR, **counts)

    sums = usage_of(endpoint=route.endpoint).sums

    assert {name: getattr(sums, name) for name in COUNTS} == {
        name: 2 * counts[name] for name in COUNTS
    }
    assert sums.latencies == [2 * counts[name] for name in LATENCIES]


def test_errors_do_not_include_canceled_requests(route: Route) -> None:
    use(route, requests=20, canceled=4, **dict.fromkeys(ERRORS, 1))

    sums = usage_of(api_key=route.api_key).sums

    assert (sums.errors, sums.error_rate, sums.answered) == (6, 0.3, 10)


def test_each_owner_has_its_own_report(
    route: Route, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    other = make_endpoint("translate", route.api_key).routes.get()
    ours, theirs = make_token("ours"), make_token("theirs")
    use(route, ours, requests=3)
    use(other, theirs, requests=5)

    assert usage_of(api_key=route.api_key).sums.requests == 8
    assert usage_of(endpoint=route.endpoint).sums.requests == 3
    assert usage_of(endpoint=other.endpoint).sums.requests == 5
    assert usage_of(token=theirs).sums.requests == 5


def test_a_day_has_24_hours_and_the_last_one_is_not_over(
    route: Route, at: Callable[[datetime], None]
) -> None:
    at(HALF_PAST_TEN)
    use(route, at=HALF_PAST_TEN, requests=7)
    use(route, at=HALF_PAST_TEN, ago=23 * HOUR, requests=2)
    use(route, at=HALF_PAST_TEN, ago=24 * HOUR, requests=100)

    points = usage_of(api_key=route.api_key).points

    assert [point.sums.requests for point in points] == [2, *[0] * 22, 7]
    assert points[0].start == datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert points[-1].start == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_thirty_days_begin_at_midnight_where_the_pages_are_read(
    route: Route, at: Callable[[datetime], None], settings: Settings
) -> None:
    settings.TIME_ZONE = "Europe/Zurich"
    at(HALF_PAST_TEN)
    midnight = datetime(2026, 11, 20, 23, tzinfo=UTC)
    use(route, at=midnight, requests=7)
    use(route, at=midnight - HOUR, requests=2)
    use(route, at=midnight - 30 * DAY, requests=100)

    points = usage_of(api_key=route.api_key, span=LAST_DAYS).points

    assert [point.sums.requests for point in points] == [*[0] * 28, 2, 7]
    assert points[-1].start == midnight
    assert points[0].start == datetime(2026, 10, 22, 22, tzinfo=UTC)  # still summer time


def test_it_shows_a_last_use_of_long_ago(route: Route) -> None:
    use(route, ago=60 * DAY)

    report = usage_of(api_key=route.api_key, span=LAST_DAYS)

    assert timezone.now() - report.last_used < 61 * DAY
    assert not report.points


def test_its_queries_are_few_however_much_there_is(
    route: Route, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        usage_of(endpoint=route.endpoint, span=LAST_DAYS)

    for hours in range(72):
        use(route, ago=hours * HOUR)
    with django_assert_num_queries(9):
        usage_of(endpoint=route.endpoint, span=LAST_DAYS)


def test_costs_are_listed_by_model_the_highest_first(
    make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    openai, groq = make_key("ours"), make_key("fast", "groq")
    routes = [
        Route(api_key=openai, model="gpt-5", weight=50),
        Route(api_key=groq, model="llama-3.3-70b-versatile", weight=50),
    ]
    endpoint = make_endpoint("search", routes=routes)
    for route in endpoint.routes.all():
        use(route, input_tokens=1_000_000, output_tokens=1_000_000)

    report = usage_of(endpoint=endpoint)

    assert [(item.provider, item.model, item.cost) for item in report.models] == [
        ("OpenAI", "gpt-5", Decimal("11.25")),
        ("Groq", "llama-3.3-70b-versatile", Decimal("1.38")),
    ]
    assert report.cost == Decimal("12.63")
    assert not report.unpriced


def test_a_cost_that_is_known_in_part_says_what_is_missing(route: Route) -> None:
    use(route, model="gpt-5", input_tokens=1_000_000)
    use(route, model="our-own-fine-tune", input_tokens=1_000_000)

    report = usage_of(endpoint=route.endpoint)

    assert report.cost == Decimal("1.25")
    assert [item.model for item in report.unpriced] == ["our-own-fine-tune"]


def test_usage_outlives_the_key_that_it_went_through(route: Route) -> None:
    use(route, requests=3, input_tokens=10)
    key = route.api_key
    Route.objects.update(api_key=None)
    key.delete()

    report = usage_of(endpoint=route.endpoint)

    assert report.sums.requests == 3
    assert [(item.provider, item.cost) for item in report.models] == [("", None)]
    assert UsageBucket.objects.exists()


def test_it_reports_of_the_whole_gateway(
    route: Route, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    other = make_endpoint("other", make_key("other")).routes.get()
    use(route, requests=3)
    use(other, requests=4)

    assert usage_of(endpoint=other.endpoint).sums.requests == 4
    assert usage_of().sums.requests == 7


def shares(report: UsageReport) -> dict[str, list[tuple[str, int]]]:
    return {
        split.name: [(share.label, share.sums.requests) for share in split.shares]
        for split in report.splits
    }


def test_usage_is_split_by_what_is_on_the_other_side(
    route: Route, make_endpoint: MakeEndpoint, make_key: MakeKey, make_token: MakeToken
) -> None:
    other = make_endpoint("translate", route.api_key).routes.get()
    spare = make_endpoint("spare", make_key("spare")).routes.get()
    ours, theirs = make_token("ours"), make_token("theirs")
    use(route, ours, requests=3)
    use(route, theirs, requests=4)
    use(other, theirs, requests=5)
    use(spare, theirs, requests=1)

    assert shares(usage_of(api_key=route.api_key)) == {
        "endpoint": [("search", 7), ("translate", 5)],
        "gateway token": [("theirs", 9), ("ours", 3)],
    }
    assert shares(usage_of(endpoint=route.endpoint)) == {
        "API key": [("my-openai-key", 7)],
        "gateway token": [("theirs", 4), ("ours", 3)],
    }
    assert shares(usage_of(token=theirs)) == {
        "endpoint": [("translate", 5), ("search", 4), ("spare", 1)],
        "API key": [("my-openai-key", 9), ("spare", 1)],
    }
    assert shares(usage_of())["endpoint"] == [("search", 7), ("translate", 5), ("spare", 1)]


def test_every_split_adds_up_to_the_whole(route: Route, make_token: MakeToken) -> None:
    for number in range(15):
        use(
            route, make_token(f"app-{number:02}"), requests=20 - number, unreachable=number % 3,
            input_tokens=1000, output_tokens=100, cached_tokens=10,
        )  # fmt: skip
    gone = make_token("gone")
    use(route, gone, requests=40, input_tokens=5)
    gone.delete()

    report = usage_of(endpoint=route.endpoint)

    assert report.splits[1].shares[0].label == "Deleted gateway tokens"
    for split in (*report.splits, in_short(report.splits[1], 10)):
        for name in COUNTS:
            whole = getattr(report.sums, name)
            assert sum(getattr(share.sums, name) for share in split.shares) == whole
        assert sum(share.cost for share in split.shares) == report.cost
    assert [share.label for share in in_short(report.splits[1], 10).shares][9:] == [
        "app-08", "6 others",
    ]  # fmt: skip


def test_a_range_counts_whole_days_and_nothing_else(
    route: Route, at: Callable[[datetime], None]
) -> None:
    at(HALF_PAST_TEN)
    for days in range(10):
        use(route, at=HALF_PAST_TEN, ago=days * DAY, requests=10**days)

    report = usage_of(
        api_key=route.api_key, span=span_between(date(2026, 11, 17), date(2026, 11, 19))
    )

    assert [point.sums.requests for point in report.points] == [10_000, 1_000, 100]
    day = usage_of(api_key=route.api_key, span=span_between(date(2026, 11, 17), date(2026, 11, 17)))
    assert len(day.points) == 24
    assert day.sums.requests == 10_000


def test_seven_days_end_today(route: Route, at: Callable[[datetime], None]) -> None:
    at(HALF_PAST_TEN)
    for days in range(10):
        use(route, at=HALF_PAST_TEN, ago=days * DAY)

    assert usage_of(api_key=route.api_key, span=LAST_WEEK).sums.requests == 7


def test_counts_of_all_time_are_in_no_range(route: Route) -> None:
    use(route)

    assert not usage_of(span=span_between(date(1969, 12, 31), date(1970, 12, 30))).points


def histogram(**counts: int) -> list[int]:
    assert counts.keys() <= set(LATENCIES)
    return [counts.get(name, 0) for name in LATENCIES]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 200), (0.25, 150), (0.75, 300), (0.99, 396), (1, 400)]
)
def test_latencies_are_assumed_to_be_spread_evenly_in_a_column(
    share: float, expected: float
) -> None:
    counts = histogram(within_200_ms=50, within_400_ms=50)

    assert percentile(share, counts) == pytest.approx(expected)


def test_latency_beyond_the_last_bound_has_none() -> None:
    assert percentile(0.99, histogram(within_50_ms=90, slower=10)) == float("inf")
    assert percentile(0.5, histogram(within_50_ms=90, slower=10)) < 50


def test_without_requests_there_is_no_latency() -> None:
    assert percentile(0.5, histogram()) is None
    assert Counts().latency(50) is None
