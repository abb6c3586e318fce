"""The list of endpoints."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.asserts import assertContains

from endpoints.models import Endpoint, Route
from tests.browsing import names_in, rows_of
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


def test_an_empty_list_says_how_to_begin(client: Client) -> None:
    assertContains(client.get("/endpoints/"), "Create your first endpoint")


def test_a_row_shows_what_an_endpoint_is_made_of(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    Route.objects.create(endpoint=endpoint, model="spare", kind="fallback")

    response = client.get("/endpoints/")

    assert rows_of(response) == [
        {
            "Name": "search",
            "Model": "gpt-5-mini spare",
            "API key": "O my-openai-key",
            "Status": "Degraded 1st fallback: no key",
            "Last updated": "just now",
            "Created": "just now",
        }
    ]
    assertContains(response, 'href="/endpoints/search/edit/"')
    assertContains(response, 'href="/endpoints/search/delete/"')


def test_a_row_shows_two_models_and_keys_and_counts_the_others(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    first, second, third = make_key("first"), make_key("second", "anthropic"), make_key("third")
    pairs = [(first, "a"), (second, "a"), (third, "b"), (first, "c"), (first, "d")]
    fallbacks = [Route(api_key=key, model=model, kind="fallback") for key, model in pairs[1:]]
    make_endpoint("search", routes=[Route(api_key=first, model="a"), *fallbacks])

    (row,) = rows_of(client.get("/endpoints/"))

    assert row["Model"] == "a b +2"
    assert row["API key"] == "O first A second +1"


@pytest.fixture
def three(make_key: MakeKey, make_endpoint: MakeEndpoint) -> None:
    """One endpoint of each state."""
    key = make_key()
    make_endpoint("b_active", key)
    make_endpoint("a-disabled", key, enabled=False)
    make_endpoint("c.broken", key)
    Route.objects.filter(endpoint__name="c.broken").update(api_key=None)


@pytest.mark.usefixtures("three")
def test_an_endpoint_without_a_key_is_marked_so(client: Client) -> None:
    rows = rows_of(client.get("/endpoints/"))

    assert [row["Status"] for row in rows] == ["Disabled", "Active", "Down Primary: no key"]
    assert rows[2]["API key"] == "none"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=active", ["b_active"]),
        ("state=disabled", ["a-disabled"]),
        ("state=down", ["c.broken"]),
        ("q=ACTIVE", ["b_active"]),
        ("q=_", ["b_active"]),
        ("q=.", ["c.broken"]),
        ("q=%25", []),
        ("q=\\", []),
        ("q=d&state=disabled", ["a-disabled"]),
        ("q=d&state=active", []),
        ("state=nonsense", []),
        ("state=%00", []),
        ("q=%00", []),
        ("q=" + "x" * 500, []),
        ("sort=" + "x" * 500, []),
    ],
)
def test_endpoints_are_searched_and_filtered(client: Client, query: str, found: list[str]) -> None:
    response = client.get(f"/endpoints/?{query}")

    assert names_in(response) == found
    if not found:
        assertContains(response, "No matching endpoints")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("key", ["name", "updated", "created", "nonsense"])
def test_endpoints_are_sorted_both_ways(client: Client, key: str) -> None:
    for age, name in enumerate(["a-disabled", "b_active", "c.broken"]):
        moment = timezone.now() - timedelta(days=9 - age)
        Endpoint.objects.filter(name=name).update(updated_at=moment, created_at=moment)

    up = names_in(client.get(f"/endpoints/?sort={key}"))
    down = names_in(client.get(f"/endpoints/?sort=-{key}"))

    assert up == ["a-disabled", "b_active", "c.broken"]
    assert down == (up if key == "nonsense" else up[::-1])


def test_the_list_has_fifty_rows_a_page_in_a_constant_number_of_queries(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    for number in range(51):
        make_endpoint(f"endpoint-{number:02}", key)
        if number in (4, 44):
            with CaptureQueriesContext(connection) as captured:
                assert len(names_in(client.get("/endpoints/"))) == number + 1
            if number == 4:
                few = len(captured)
            else:
                assert len(captured) == few

    assert len(names_in(client.get("/endpoints/"))) == 50
    for page in ("2", "0", "-1", "999999", "9" * 30):
        assert names_in(client.get(f"/endpoints/?page={page}")) == ["endpoint-50"], page
    for page in ("garbage", "", "1.5", "%00", "9" * 5000):
        assert len(names_in(client.get(f"/endpoints/?page={page}", follow=True))) == 50, page
