"""Forgetting usage of long ago."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from endpoints.models import Route
from endpoints.usage import retention
from endpoints.usage.models import ALL_TIME, UsageBucket
from endpoints.usage.report import usage_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.usage import use

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def route(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Route:
    """A route that was used yesterday, and on five hours of a day 500 days ago."""
    route = make_endpoint("search", make_key()).routes.get()
    use(route, ago=DAY)
    for hour in range(5):
        use(route, ago=500 * DAY + hour * HOUR)
    return route


def trim(*arguments: str) -> str:
    out = StringIO()
    call_command("trim_usage", *arguments, stdout=out)
    return out.getvalue().strip()


def hours() -> int:
    return UsageBucket.objects.exclude(hour=ALL_TIME).count()


def test_old_hours_are_deleted_and_totals_are_kept(route: Route) -> None:
    assert trim() == "Deleted 5 rows of usage from more than 400 days ago."

    assert hours() == 1
    assert UsageBucket.objects.get(hour=ALL_TIME).requests == 6
    assert usage_of(api_key=route.api_key).last_used


def test_it_can_be_run_again_at_any_time(route: Route) -> None:
    trim()

    assert trim() == "Deleted 0 rows of usage from more than 400 days ago."


def test_a_dry_run_counts_and_deletes_nothing(route: Route) -> None:
    assert trim("--dry-run") == "Would delete 5 rows of usage from more than 400 days ago."
    assert hours() == 6


def test_how_long_to_keep_can_be_said(route: Route) -> None:
    assert trim("--keep-days", "600").startswith("Deleted 0 rows")
    assert trim("--keep-days=31").startswith("Deleted 5 rows")


@pytest.mark.parametrize("days", ["30", "0", "-1", "36501", "9999999999"])
def test_what_the_pages_show_is_kept_in_any_case(route: Route, days: str) -> None:
    with pytest.raises(CommandError, match="--keep-days: enter 31"):
        trim(f"--keep-days={days}")
    assert hours() == 6


def test_it_goes_in_batches(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)

    assert trim().startswith("Deleted 5 rows")
