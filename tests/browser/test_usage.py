"""Usage on the pages: charts that tell their values, and a range of days."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from endpoints.models import Route
from tests.conftest import MakeEndpoint, MakeKey
from tests.usage import use

from .person import OpenBrowser


@pytest.fixture
def route(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Route:
    route = make_endpoint("search", make_key()).routes.get()
    use(route, requests=7, unreachable=2)
    noon = timezone.localtime().replace(hour=12)
    use(route, at=noon - timedelta(days=3), requests=5)
    return route


def test_the_arrow_keys_tell_the_values_of_a_chart(
    open_browser: OpenBrowser, kim: User, route: Route
) -> None:
    person = open_browser(kim)
    person.goes_to("/endpoints/search/?usage=7d")
    chart = person.page.get_by_role("img", name="Requests")
    tip = person.page.locator(".chart-tip").first

    chart.focus()
    expect(tip).to_have_text(re.compile(r"^\w+ \d+, so far: 7 requests, 2 failed$"))

    for _ in range(3):
        chart.press("ArrowLeft")
    expect(tip).to_have_text(re.compile(r"^\w+ \d+: 5 requests, 0 failed$"))

    chart.press("Escape")
    expect(tip).to_be_empty()


def test_a_range_of_days_stays_in_the_address(
    open_browser: OpenBrowser, kim: User, route: Route
) -> None:
    person = open_browser(kim)
    person.goes_to("/endpoints/search/?usage=30d")
    day = str((timezone.localtime() - timedelta(days=3)).date())

    person.page.get_by_text("Custom range").click()
    person.page.get_by_label("From").fill(day)
    person.page.get_by_label("To", exact=True).fill(day)
    person.page.get_by_role("button", name="Show").click()

    expect(person.page).to_have_url(re.compile(rf"\?usage=custom&from={day}&to={day}$"))
    expect(person.page.locator(".figures dd").first).to_have_text("5")
    chart = person.page.get_by_role("img", name="Requests")
    chart.focus()  # what was swapped in can be read as well
    expect(person.page.locator(".chart-tip").first).to_have_text("23:00: 0 requests, 0 failed")
