"""The trail of what was done."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains

from apikeys.actors import Actor
from apikeys.services import delete_api_key
from tests.conftest import MakeEndpoint, MakeKey
from tests.made_up import OPENAI_KEY

from .browsing import edited, html_of, text_of

pytestmark = pytest.mark.django_db


def events_on(client: Client, url: str = "/activity/") -> list[str]:
    page = html_of(client.get(url))
    history = page.split('<ol class="history">')[1].split("</ol>")[0]
    return [text_of(item) for item in re.findall(r"<li>(.*?)</li>", history, re.DOTALL)]


def test_it_begins_empty(client: Client) -> None:
    assertContains(client.get("/activity/"), "Nothing to see here.")


def test_the_newest_comes_first_and_names_who_what_and_from_where(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key("first")
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, name="second", team="Shop"))

    newest, oldest = events_on(client)

    assert newest == "kim edited API key second · name, team just now · page · 127.0.0.1"
    assert oldest.startswith("kim created API key first · ")
    assert oldest.endswith("page · 192.0.2.7")


def test_it_survives_what_it_tells_about(client: Client, make_key: MakeKey, by: Actor) -> None:
    key = make_key("gone")
    delete_api_key(key, by=by, seen=key.blast_radius().digest())

    acts = events_on(client, "/activity/?q=gone")

    assert [act.split(" API key gone")[0] for act in acts] == ["kim deleted", "kim created"]


def test_it_names_fields_and_never_values(client: Client, make_key: MakeKey) -> None:
    key = make_key(team="Value-of-team")
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, api_key="sk-a-new-value-000000000"))

    page = html_of(client.get("/activity/"))

    for value in (OPENAI_KEY, "sk-a-new-value", "Value-of-team", "wXyZ"):
        assert value not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [("my%20100%25", 1), ("100", 2), ("%25", 1), ("SEARCH", 1), ("nonsense", 0), ("_", 0)],
)
def test_it_is_searched_by_name(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, query: str, found: int
) -> None:
    make_endpoint("search", make_key("my 100%"))
    make_key("my 100")

    assert len(events_on(client, f"/activity/?q={query}")) == found


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%ff", "q=" + "x" * 9999, "page=x", "page=0", "page=99"]
)
def test_any_query_is_a_page(client: Client, make_key: MakeKey, query: str) -> None:
    make_key()

    assert client.get(f"/activity/?{query}").status_code == 200


def test_it_has_fifty_events_a_page_in_as_many_queries_as_one(
    client: Client, make_key: MakeKey
) -> None:
    make_key("key")
    with CaptureQueriesContext(connection) as few:
        events_on(client)
    for number in range(51):
        make_key(f"key {number}")

    with CaptureQueriesContext(connection) as many:
        assert len(events_on(client)) == 50
    assert len(events_on(client, "/activity/?page=2")) == 2
    assert len(many) <= len(few) + 1
