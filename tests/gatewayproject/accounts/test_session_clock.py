"""Sessions end by the database's clock, whatever that of the host says."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Move the clock of this host."""
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite, the clock is that of this host")
    now = timezone.now

    def set_to(distance: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now() + distance)

    return set_to


@pytest.mark.parametrize("distance", [DAY, -DAY])
def test_a_wrong_clock_ends_no_session(
    client: Client, set_clock: Callable[[timedelta], None], distance: timedelta
) -> None:
    set_clock(distance)

    assert client.get("/api-keys/").status_code == 200


@pytest.mark.parametrize("distance", [DAY, -DAY])
def test_a_session_from_a_host_with_a_wrong_clock_ends_in_time(
    anonymous: Client,
    key_manager: object,
    set_clock: Callable[[timedelta], None],
    distance: timedelta,
) -> None:
    set_clock(distance)
    anonymous.force_login(key_manager)  # type: ignore[arg-type]

    soon, late = Now() + timedelta(hours=11), Now() + timedelta(hours=13)
    assert Session.objects.filter(expire_date__gt=soon, expire_date__lt=late).count() == 1


def test_an_expired_session_ends_though_the_clock_is_slow(
    client: Client, set_clock: Callable[[timedelta], None]
) -> None:
    Session.objects.update(expire_date=Now() - timedelta(minutes=1))
    set_clock(-DAY)

    assert client.get("/api-keys/").status_code == 302
