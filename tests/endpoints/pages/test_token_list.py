"""The list of gateway tokens."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from endpoints.models import GatewayToken
from endpoints.services import issue_trial_token, revoke_token
from endpoints.usage.models import ALL_TIME, UsageBucket
from gatewayproject.accounts.actors import Actor
from tests.browsing import html_of, names_in, rows_of, text_of
from tests.conftest import MakeEndpoint, MakeToken

pytestmark = pytest.mark.django_db


def test_an_empty_list_says_what_a_token_is_for_and_how_to_begin(client: Client) -> None:
    page = client.get("/tokens/")

    assertContains(page, "<h1>Gateway tokens</h1>")
    assertContains(page, "No gateway tokens yet")
    assertContains(page, "Create your first token")


def test_a_row_shows_what_a_token_is(
    client: Client, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    expiry = timezone.now() + timedelta(days=90)
    token = make_token("search-service", make_endpoint("search", None), expires_at=expiry)

    response = client.get("/tokens/")

    assert rows_of(response) == [
        {
            "Name": "search-service",
            "Prefix": f"{token.prefix}…",
            "Endpoints": "search",
            "Status": "Active",
            "Last used": "Never",
            "Expires": f"{expiry:%b} {expiry.day}, {expiry.year}",
            "Created": "just now by kim",
        }
    ]
    assertContains(response, 'href="/endpoints/search/"')
    assertContains(response, f'href="/tokens/{token.pk}/edit/"')
    assertContains(response, f'href="/tokens/{token.pk}/revoke/"')
    assertNotContains(response, token.digest)


def test_many_endpoints_are_counted_and_the_count_opens_their_names(
    client: Client, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    names = [f"endpoint-{number}" for number in range(5)]
    token = make_token("many", *(make_endpoint(name, None) for name in names))
    make_token("every")

    rows = rows_of(client.get("/tokens/"))
    shown = text_of(client.get(f"/tokens/{token.pk}/endpoints/"))

    assert [row["Endpoints"] for row in rows] == ["All endpoints", "5 endpoints of many"]
    assert all(name in shown for name in names)
    assert "All endpoints" in text_of(
        client.get(f"/tokens/{GatewayToken.objects.get(name='every').pk}/endpoints/")
    )


def test_more_endpoints_than_a_page_holds_are_counted(
    client: Client, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    endpoints = [make_endpoint(f"e{number:03}", None) for number in range(203)]
    token = make_token("many", *endpoints)

    for page in ("", "endpoints/"):
        response = client.get(f"/tokens/{token.pk}/{page}")
        assertContains(response, "e199")
        assertNotContains(response, "e200")
        assertContains(response, "and 3 more")


def test_a_token_whose_endpoints_were_deleted_is_marked(
    client: Client, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    endpoint = make_endpoint("search", None)
    token = make_token("left", endpoint)
    endpoint.delete()

    assert rows_of(client.get("/tokens/"))[0]["Endpoints"] == "No endpoints left"
    assertContains(client.get(f"/tokens/{token.pk}/"), "All of its endpoints were deleted.")


@pytest.fixture
def three(make_token: MakeToken, by: Actor) -> None:
    """One token of each state."""
    soon = timezone.now() + timedelta(days=3)
    make_token("b_active", expires_at=soon)
    make_token("a-expired", expires_at=soon)
    GatewayToken.objects.filter(name="a-expired").update(expires_at=timezone.now())
    revoke_token(make_token("C revoked"), by=by)


@pytest.mark.usefixtures("three")
def test_the_status_shows_whether_a_token_works(client: Client) -> None:
    rows = rows_of(client.get("/tokens/"))

    assert [row["Status"] for row in rows] == ["Expired", "Active Expires soon", "Revoked"]
    assert rows[2]["Expires"] == "Never"


@pytest.mark.usefixtures("three")
def test_each_row_offers_what_can_be_done(client: Client) -> None:
    page = html_of(client.get("/tokens/"))

    offered = {
        token.name: re.findall(rf'href="/tokens/{token.pk}/(\w+)/"', page)
        for token in GatewayToken.objects.all()
    }
    assert offered == {
        "b_active": ["edit", "revoke"],
        "a-expired": ["edit", "delete"],
        "C revoked": ["delete"],
    }


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=active", ["b_active"]),
        ("state=expired", ["a-expired"]),
        ("state=revoked", ["C revoked"]),
        ("q=ACTIVE", ["b_active"]),
        ("q=c%20R", ["C revoked"]),
        ("q=_", ["b_active"]),
        ("q=%25", []),
        ("q=\\", []),
        ("q=ex&state=expired", ["a-expired"]),
        ("q=ex&state=active", []),
        ("state=nonsense", []),
        ("state=%00", []),
        ("q=%00", []),
        ("q=" + "x" * 500, []),
        ("sort=" + "x" * 500, []),
    ],
)
def test_tokens_are_searched_and_filtered(client: Client, query: str, found: list[str]) -> None:
    response = client.get(f"/tokens/?{query}")

    assert names_in(response) == found
    if not found:
        assertContains(response, "No matching tokens")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("key", ["name", "expires", "created", "nonsense"])
def test_tokens_are_sorted_both_ways(client: Client, key: str) -> None:
    for age, name in enumerate(["a-expired", "b_active", "C revoked"]):
        moment = timezone.now() - timedelta(days=9 - age)
        GatewayToken.objects.filter(name=name).update(created_at=moment)

    up = names_in(client.get(f"/tokens/?sort={key}"))
    down = names_in(client.get(f"/tokens/?sort=-{key}"))

    assert up == ["a-expired", "b_active", "C revoked"]  # what never expires comes last
    assert down == (up if key == "nonsense" else up[::-1])


def test_tokens_of_try_it_are_not_shown(
    client: Client, make_endpoint: MakeEndpoint, by: Actor
) -> None:
    issue_trial_token(make_endpoint("search", None), by=by)
    trial = GatewayToken.objects.get()

    assertContains(client.get("/tokens/"), "No gateway tokens yet")
    for page in ("", "edit/", "revoke/", "delete/", "endpoints/"):
        assert client.get(f"/tokens/{trial.pk}/{page}").status_code == 404
    assert "Gateway tokens 0" in text_of(client.get("/"))


def test_the_list_has_fifty_rows_a_page_in_a_constant_number_of_queries(
    client: Client, make_endpoint: MakeEndpoint, make_token: MakeToken
) -> None:
    endpoint = make_endpoint("search", None)
    for number in range(51):
        token = make_token(f"token-{number:02}", endpoint)
        UsageBucket.objects.create(
            hour=ALL_TIME, endpoint=endpoint, route_id=1, api_key_id=uuid4(), token=token,
            model="m", last_at=timezone.now(),
        )  # fmt: skip
        if number in (4, 44):
            with CaptureQueriesContext(connection) as captured:
                assert len(names_in(client.get("/tokens/"))) == number + 1
            if number == 4:
                few = len(captured)
            else:
                assert len(captured) == few

    rows = rows_of(client.get("/tokens/"))
    assert len(rows) == 50
    assert {row["Last used"] for row in rows} == {"just now"}
    for page in ("2", "0", "-1", "999999", "9" * 30):
        assert names_in(client.get(f"/tokens/?page={page}")) == ["token-50"], page
    for page in ("garbage", "", "1.5", "%00", "9" * 5000):
        assert len(names_in(client.get(f"/tokens/?page={page}", follow=True))) == 50, page


def test_the_tab_is_beside_the_others(client: Client) -> None:
    assert "Overview Endpoints API Keys Gateway tokens" in text_of(client.get("/tokens/"))
