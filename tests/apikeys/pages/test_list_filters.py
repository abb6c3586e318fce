"""Filters, search and dates of the list of API keys."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from apikeys import services
from apikeys.forms import ApiKeyListForm
from apikeys.models import ApiKey, Provider
from apikeys.models.api_key_queries import SORTS
from apikeys.sealing import Secrets
from gatewayproject.accounts.actors import Actor
from gatewayproject.console import list_pages
from tests import drafts
from tests.browsing import html_of, names_in, rows_of, text_of
from tests.conftest import MakeKey

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def put(name: str, **values: Any) -> None:
    ApiKey.objects.filter(name=name).update(**values)


@pytest.fixture
def found(client: Client) -> Any:
    """Return the names that a query finds."""

    def found(query: str) -> list[str]:
        return names_in(client.get(f"/api-keys/?{query}"))

    return found


# --- Search ------------------------------------------------------------------------------------


@pytest.fixture
def three(make_key: MakeKey) -> None:
    make_key("alpha", team="Suche Zürich", description="Billing of\nthe SHOP")
    make_key("beta", "anthropic", secrets={"api_key": "sk-ant-" + "b" * 40 + "QrSt"})
    make_key("gamma", "mistral")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("ALPH", ["alpha"]),
        ("zürich", ["alpha"]),
        ("SUCHE", ["alpha"]),
        ("billing", ["alpha"]),
        ("of the shop", ["alpha"]),
        ("QRST", ["beta"]),
        ("…qrst", ["beta"]),
        ("anthropic", ["beta"]),
        ("mistral ai", ["gamma"]),
        ("mistral gam", ["gamma"]),
        ("gam mistral", ["gamma"]),
        ("anthropic gamma", []),
        ("alpha suche billing of the shop", ["alpha"]),
        ("alpha suche billing of the nothing", []),
        ("%", []),
        ("_", []),
    ],
)
def test_every_word_is_found_in_any_of_the_texts(
    found: Any, three: None, query: str, names: list[str]
) -> None:
    assert found(f"q={query}") == names


def test_search_finds_what_is_stored_now(
    found: Any, make_key: MakeKey, by: Actor, client: Client
) -> None:
    key = make_key("key", team="Before")
    key.team = "After"
    drafts.save(key, Secrets(api_key="sk-proj-" + "n" * 40 + "NeWx"), by=by)

    assert found("q=after") == found("q=newx") == ["key"]
    assert found("q=before") == found("q=wxyz") == []

    key = ApiKey.objects.with_versions().get()
    services.roll_back_credentials(key, by=by, rev=key.rev)
    assert found("q=after") == found("q=wxyz") == ["key"]
    assert found("q=newx") == []


def test_the_longest_texts_fit_into_the_index(found: Any, make_key: MakeKey, by: Actor) -> None:
    """PostgreSQL refuses a row of which an index would have more than 2,704 bytes."""
    letters = [chr(0x20000 + number) for number in range(2000)]  # four bytes each, none twice
    key = make_key("".join(letters[:80]), description="".join(letters[80:1080]))
    key.team = "".join(letters[1080:1160])
    drafts.save(key, by=by)

    assert found(f"q={key.team[:9]}") == [key.name]


# --- Filters -----------------------------------------------------------------------------------


def test_filters_are_combined(found: Any, make_key: MakeKey) -> None:
    make_key("a", "anthropic", team="Chat")
    make_key("b", "anthropic", team="Search")
    make_key("c", "openai", team="Chat", environment="staging")
    now = timezone.now()
    put("a", expires_at=now + 20 * DAY, created_at=now - 100 * DAY)
    put("c", expires_at=now + 40 * DAY, last_used_at=now - 100 * DAY)

    assert found("team=Chat") == ["a", "c"]
    assert found("team=chat") == []
    assert found("team=Chat&provider=anthropic") == ["a"]
    assert found("expires=30") == ["a"]
    assert found("expires=90") == ["a", "c"]
    assert found("expires=90&environment=staging&team=Chat&q=openai&unused=90") == ["c"]
    assert found("expires=30&unused=90") == ["a"]
    assert found("expires=30&status=disabled") == []


def test_restricted_keys_are_found_and_marked(
    client: Client, found: Any, make_key: MakeKey
) -> None:
    make_key("good")
    make_key("restricted")
    put("restricted", restricted=True)

    assert found("status=restricted") == ["restricted"]
    page = client.get("/api-keys/")
    assertContains(page, '<span class="badge warning">Restricted by provider</span>', 1)
    assertContains(client.get("/"), "status=restricted")


def test_unused_counts_keys_that_were_never_used_if_they_are_as_old(
    found: Any, make_key: MakeKey
) -> None:
    now = timezone.now()
    for name, last_used, created in (
        ("never, old", None, 91),
        ("never, young", None, 89),
        ("used long ago", 91, 400),
        ("used lately", 89, 400),
    ):
        make_key(name)
        last_used_at = last_used and now - last_used * DAY
        put(name, last_used_at=last_used_at, created_at=now - created * DAY)

    assert found("unused=90") == ["never, old", "used long ago"]
    assert found("unused=30") == ["never, old", "never, young", "used lately", "used long ago"]
    assert found("unused=365") == []


@pytest.mark.parametrize("query", ["expires=31", "expires=-1", "unused=x", "team=%00", "team=None"])
def test_a_filter_that_makes_no_sense_finds_nothing(
    client: Client, make_key: MakeKey, query: str
) -> None:
    make_key()

    assertContains(client.get(f"/api-keys/?{query}"), "No matching API keys")


def test_providers_and_teams_in_use_are_offered_with_their_counts(
    client: Client, make_key: MakeKey
) -> None:
    make_key("a", team="Chat")
    make_key("b", "openai", "azure_api_key", team="Chat")
    make_key("c", "anthropic")

    page = html_of(client.get("/api-keys/?team=Chat"))

    offered = re.findall(r'<select name="(?:provider|team)".*?</select>', page, re.DOTALL)
    assert [text_of(choice) for choice in offered] == [
        "All providers Anthropic (1) OpenAI (2)",
        "All teams Chat (2)",
    ]
    assert '<option value="Chat" selected>' in page


def test_a_filter_for_what_no_key_has_is_to_be_seen(client: Client, make_key: MakeKey) -> None:
    make_key()
    assert Provider.objects.filter(slug="groq").exists()

    response = client.get("/api-keys/?provider=groq&team=Gone")

    assertContains(response, '<option value="groq" selected>')
    assertContains(response, '<option value="Gone" selected>')


def test_filters_are_cleared_by_a_link(client: Client, make_key: MakeKey) -> None:
    make_key()

    link = '<a href="/api-keys/">Clear filters</a>'
    assertContains(client.get("/api-keys/?q=my&sort=used"), link, html=True)
    assertNotContains(client.get("/api-keys/?sort=used"), "Clear filters")


@pytest.mark.parametrize(
    ("query", "short"),
    [
        ("q=groq&provider=&environment=&status=&sort=", "?q=groq"),
        ("q=&provider=openai&team=&sort=-used", "?provider=openai&sort=-used"),
        ("q=&provider=", ""),
        ("page=", ""),
        ("q=a%26b&sort=", "?q=a%26b"),
    ],
)
def test_what_a_form_sent_empty_is_left_out_of_the_url(
    client: Client, make_key: MakeKey, query: str, short: str
) -> None:
    assertRedirects(client.get(f"/api-keys/?{query}"), f"/api-keys/{short}")


# --- Dates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("used", ["b", "a", "never a", "never b"]),
        ("-used", ["a", "b", "never b", "never a"]),
        ("expires", ["a", "b", "never a", "never b"]),
        ("-expires", ["b", "a", "never b", "never a"]),
    ],
)
def test_keys_without_the_date_come_last_both_ways(
    client: Client, make_key: MakeKey, sort: str, names: list[str]
) -> None:
    now = timezone.now()
    for name in ("never b", "a", "never a", "b"):
        make_key(name)
    put("a", last_used_at=now, expires_at=now + DAY)
    put("b", last_used_at=now - DAY, expires_at=now + 2 * DAY)

    response = client.get(f"/api-keys/?sort={sort}")

    assert names_in(response) == names
    order = "descending" if sort.startswith("-") else "ascending"
    assertContains(response, f'aria-sort="{order}"', count=1)


@pytest.mark.parametrize("dated", [0, 1, 4, 5, 8, 11])
@pytest.mark.parametrize("sort", [sort for sort in SORTS if "used" in sort or "expires" in sort])
def test_the_pages_together_are_the_list_wherever_the_dates_end(
    client: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch, sort: str, dated: int
) -> None:
    monkeypatch.setattr(list_pages, "ROWS", 2)
    now = timezone.now()
    for number in range(11):
        make_key(f"key {number:02}")
        if number < dated:
            moment = now - (number % 3) * DAY
            put(f"key {number:02}", last_used_at=moment, expires_at=moment)
    expected = list(ApiKey.objects.sorted_by(sort).values_list("name", flat=True))

    listed = [
        names_in(client.get("/api-keys/", {"sort": sort, "page": page})) for page in range(1, 7)
    ]

    assert listed == [expected[start : start + 2] for start in range(0, 11, 2)]


def test_the_list_shows_when_keys_expire_and_were_used(
    client: Client, make_key: MakeKey, settings: Settings
) -> None:
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for name in ("far", "near", "none", "own notice"):
        make_key(name)
    put("near", expires_at=now + 13.9 * DAY, last_used_at=hour)
    put("far", expires_at=now + 15 * DAY, last_used_at=hour - 3 * DAY)
    put("own notice", expires_at=now + 15.5 * DAY, expiry_notice_days=20, notice_at=now - 4 * DAY)

    rows = {row["Name"]: row for row in rows_of(client.get("/api-keys/"))}

    assert [row["Last used"] for row in rows.values()] == [
        "3 days ago",
        "this hour",
        "Never",
        "Never",
    ]
    near = now + 13.9 * DAY
    assert rows["near"]["Expires"] == f"{near:%b} {near.day}, {near.year} Expires in 13 days"
    assert rows["own notice"]["Expires"].endswith("Expires in 15 days")
    assert "Expires" not in rows["far"]["Expires"]
    assert {row["Key"] for row in rows.values()} == {"…wXyZ"}
    assert rows["none"]["Expires"] == "—"
    assert names_in(client.get("/api-keys/?status=expiring")) == ["near", "own notice"]

    settings.EXPIRY_NOTICE_DAYS = 7
    assert names_in(client.get("/api-keys/?status=expiring")) == ["own notice"]


@pytest.mark.parametrize("path", ["/endpoints/", "/tokens/", "/activity/"])
def test_the_other_lists_leave_it_out_too(client: Client, path: str) -> None:
    assertRedirects(client.get(f"{path}?q=search&state=&sort="), f"{path}?q=search")
    assertContains(client.get(f"{path}?q=search"), "search")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL plans by its statistics")
def test_a_search_in_an_environment_reads_the_covering_index() -> None:
    keys = ApiKeyListForm({"q": "search", "environment": "production"}).keys()

    assert "COVERING INDEX apikeys_by_name" in keys.values("pk").explain()
