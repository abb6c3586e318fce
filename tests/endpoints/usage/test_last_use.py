"""When an API key was used last, as the counting of usage tells it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey
from endpoints.models import Route
from tests.conftest import MakeEndpoint, MakeKey
from tests.usage import use

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NOW = datetime(2026, 5, 4, 13, 59, 58, tzinfo=UTC)
THIS_HOUR = datetime(2026, 5, 4, 13, tzinfo=UTC)


@pytest.fixture
def route(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Route:
    return make_endpoint("search", make_key()).routes.get()


def last_use() -> datetime | None:
    return ApiKey.objects.get().last_used_at


def test_the_hour_of_the_last_request_is_stored_with_the_key(route: Route) -> None:
    assert last_use() is None

    use(route, at=NOW)
    assert last_use() == THIS_HOUR

    use(route, at=NOW + HOUR)
    assert last_use() == THIS_HOUR + HOUR


def test_what_is_counted_late_makes_no_key_older(route: Route) -> None:
    use(route, at=NOW)
    use(route, at=NOW - 3 * HOUR)

    assert last_use() == THIS_HOUR


def test_it_is_no_edit(route: Route) -> None:
    before = ApiKey.objects.get()

    use(route, at=NOW)

    after = ApiKey.objects.get()
    assert (after.rev, after.credentials_changed_at) == (before.rev, before.credentials_changed_at)


def test_it_is_written_once_an_hour(route: Route) -> None:
    use(route, at=THIS_HOUR)

    with CaptureQueriesContext(connection) as captured:
        for second in range(5):
            use(route, at=THIS_HOUR + timedelta(seconds=second))

    assert not [query for query in captured if query["sql"].startswith("UPDATE")]


def test_a_key_that_is_gone_is_not_missed(route: Route) -> None:
    Route.objects.all().delete()
    ApiKey.objects.all().delete()

    use(route, at=NOW)

    assert not ApiKey.objects.exists()
