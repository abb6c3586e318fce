"""The trail of what was done."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from apikeys.sealing import Secrets
from apikeys.services import delete_api_key
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests import drafts
from tests.browsing import edited, html_of, text_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

pytestmark = pytest.mark.django_db


def events_on(client: Client, url: str = "/activity/") -> list[str]:
    page = html_of(client.get(url))
    history = page.split('<ol class="history">')[1].split("</ol>")[0]
    return [text_of(item) for item in re.findall(r"<li>(.*?)</li>", history, re.DOTALL)]


def test_it_is_empty_at_first(client: Client) -> None:
    assertContains(client.get("/activity/"), "No events yet")


def test_the_newest_event_is_first_with_actor_subject_and_address(
    client: Client, make_key: MakeKey
) -> None:
    key = make_key("first")
    client.post(f"/api-keys/{key.pk}/edit/", edited(key, name="second", team="Shop"))

    newest, oldest = events_on(client)

    assert newest == "kim edited API key second · Name, Team just now · via web · 127.0.0.1"
    assert oldest.startswith("kim created API key first · ")
    assert oldest.endswith("via web · 192.0.2.7")


def test_events_outlive_their_subjects(client: Client, make_key: MakeKey, by: Actor) -> None:
    key = make_key("gone")
    delete_api_key(key, by=by, seen=blast_radius_of(key).digest())

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
    [
        ("my%20100%25", 1),
        ("100", 1),  # two events of one bulk action
        ("%25", 1),
        ("SEARCH", 1),
        ("nonsense", 0),
        ("_", 0),
        ("kim", 4),
    ],
)
def test_it_is_searched_by_name_and_person(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, query: str, found: int
) -> None:
    make_endpoint("search", make_key("my 100%"))
    make_key("my 100")
    make_key("another key", team="Shop")

    if found:
        assert len(events_on(client, f"/activity/?q={query}")) == found
    else:
        assertContains(client.get(f"/activity/?q={query}"), "No matching events")


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%ff", "q=" + "x" * 9999, "page=x", "page=0", "page=99"]
)
def test_any_query_returns_a_page(client: Client, make_key: MakeKey, query: str) -> None:
    make_key()

    assert client.get(f"/activity/?{query}").status_code == 200


def test_a_page_has_fifty_events_and_a_constant_number_of_queries(
    client: Client, make_key: MakeKey
) -> None:
    make_key("key")
    with CaptureQueriesContext(connection) as few:
        events_on(client)
    for number in range(51):
        make_key(f"key {number}", team="Shop" * ((number + 1) % 2))

    with CaptureQueriesContext(connection) as many:
        assert len(events_on(client)) == 50
    assert len(events_on(client, "/activity/?page=2")) == 2
    assert len(many) <= len(few) + 1


def test_the_events_of_one_bulk_action_are_one_item(client: Client, make_key: MakeKey) -> None:
    keys = [make_key(f"key {number:02}", team="Shop") for number in range(12)]
    make_key("another")
    delete_api_key(keys[0], by=Actor("kim", channel="page"), seen=blast_radius_of(keys[0]).digest())

    deleted, alone, together = events_on(client)

    assert deleted.startswith("kim deleted API key key 00")
    assert alone.startswith("kim created API key another · ")
    assert together.startswith("kim created 12 API keys: key 11 , key 10 , ")
    assert "2 more key 01 , key 00 · API base URL, API key, " in together
    assertContains(client.get("/activity/"), f'<a href="/api-keys/{keys[3].pk}/">')


def test_what_was_done_later_or_to_other_fields_is_an_item_of_its_own(
    client: Client, make_key: MakeKey
) -> None:
    keys = [make_key(f"key {number}") for number in range(3)]
    now = timezone.now()
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=now + timedelta(seconds=seconds),
            actor="kim",
            channel="page",
            act="edited",
            subject_type="apikey",
            subject_id=str(key.pk),
            subject_name=key.name,
            fields=fields,
        )
        for seconds, key, fields in zip(
            (0, 60, 62), keys, (["team"], ["team"], ["name"]), strict=True
        )
    )

    assert [event.partition(" · ")[0] for event in events_on(client)[:3]] == [
        "kim edited API key key 2",
        "kim edited API key key 1",
        "kim edited API key key 0",
    ]


# --- Filters -------------------------------------------------------------------------------------


@pytest.fixture
def busy(make_key: MakeKey, make_endpoint: MakeEndpoint, by: Actor) -> None:
    """Kim made a key and an endpoint today, Lee renamed the key last year."""
    key = make_key("first")
    make_endpoint("search", key)
    AuditEvent.objects.create(
        at=timezone.now() - timedelta(days=400),
        actor="lee",
        channel="command",
        act="edited",
        subject_type="apikey",
        subject_id=str(key.pk),
        subject_name="first",
        fields=["api_base", "gone_url", "name"],
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("person=lee", ["lee edited API key first"]),
        ("person=kim&kind=endpoint", ["kim created endpoint search"]),
        ("action=edited", ["lee edited API key first"]),
        ("kind=apikey", ["kim created API key first", "lee edited API key first"]),
        ("until=2026-01-01", ["lee edited API key first"]),
        ("since=2026-01-01", ["kim created endpoint search", "kim created API key first"]),
        ("q=LEE", ["lee edited API key first"]),
        ("q=search&person=kim", ["kim created endpoint search"]),
    ],
)
def test_it_is_filtered(client: Client, busy: None, query: str, found: list[str]) -> None:
    assert [event.split(" ·")[0] for event in events_on(client, f"/activity/?{query}")] == found


@pytest.mark.parametrize(
    "query", ["q=nobody", "person=nobody", "since=x", "kind=x", "since=2099-01-01"]
)
def test_a_search_without_matches_offers_to_clear_the_filters(
    client: Client, busy: None, query: str
) -> None:
    text = text_of(client.get(f"/activity/?{query}"))

    assert "No matching events" in text
    assert "Clear filters" in text


def test_empty_filters_are_not_in_the_url(client: Client, busy: None) -> None:
    response = client.get("/activity/?q=&person=lee&action=&kind=&since=&until=")

    assert response.headers["Location"] == "/activity/?person=lee"
    assert client.get("/activity/?q=").headers["Location"] == "/activity/"


def test_an_event_links_to_its_subject_while_it_exists(
    client: Client, busy: None, by: Actor
) -> None:
    key = ApiKey.objects.get()
    assertContains(client.get("/activity/?kind=apikey"), f'href="/api-keys/{key.pk}/"')
    assertContains(client.get("/activity/"), 'href="/endpoints/search/"')

    delete_api_key(key, by=by, seen=blast_radius_of(key).digest(), confirmation="first")

    assertNotContains(client.get("/activity/?kind=apikey"), f'href="/api-keys/{key.pk}/"')


def test_fields_have_labels_even_if_they_no_longer_exist(client: Client, busy: None) -> None:
    page = text_of(client.get("/activity/?person=lee"))

    assert "lee edited API key first · API base URL, Gone URL, Name" in page


def test_the_person_filter_lists_the_credentials_that_the_person_entered(
    client: Client, make_key: MakeKey, by: Actor
) -> None:
    make_key("still-theirs")
    replaced = make_key("replaced")
    drafts.save(
        replaced, Secrets(api_key="sk-entered-by-lee-0123456789"), by=Actor("lee", channel="page")
    )

    page = html_of(client.get("/activity/?person=kim"))

    listed = page.split('<ul class="dependents">')[1].split("</ul>")[0]
    assert text_of(listed) == "still-theirs"
    assertNotContains(client.get("/activity/"), '<ul class="dependents">')


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"actor": "lee"}, "accounts_event_actor"),
        ({"act": "edited"}, "accounts_event_act"),
        ({"subject_type": "apikey"}, "accounts_event_kind"),
        ({}, "accounts_event_newest"),
    ],
)
def test_each_filter_uses_an_index(db: None, query: dict[str, str], index: str) -> None:
    at = timezone.now()
    rows = [
        AuditEvent(
            at=at - timedelta(minutes=number),
            actor=f"person {number % 50}" if number % 999 else "lee",
            channel="page",
            act=f"act {number % 20}" if number % 999 else "edited",
            subject_type=f"kind {number % 5}" if number % 999 else "apikey",
            subject_id=str(number),
            subject_name=f"thing {number}",
        )
        for number in range(5_000)
    ]
    AuditEvent.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_auditevent")

    plan = AuditEvent.objects.filter(**query)[:51].explain()

    assert index in plan
    assert "TEMP B-TREE" not in plan
