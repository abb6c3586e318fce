"""The list of API keys."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from apikeys import sealing
from apikeys.models import ApiKey, CredentialVersion
from apikeys.models.api_key_queries import SORTS
from apikeys.sealing import Sealed
from gatewayproject import keyring
from gatewayproject.console import list_pages
from tests.browsing import errors_in, html_of, names_in, rows_of, text_of
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


def spoil(key: ApiKey) -> None:
    """Put a token that no master key made where the credentials were."""
    CredentialVersion.objects.filter(api_key=key).update(sealed=Sealed(b"gAAAAABnotatoken"))


def test_an_empty_list_says_how_to_begin(client: Client) -> None:
    response = client.get("/api-keys/")

    assertContains(response, "No API keys yet")
    assertContains(response, "Create your first API key")


def test_a_row_shows_everything_but_the_secret(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key("my-openai-key", environment="staging")
    make_endpoint("search", key)
    make_endpoint("assist", key)

    response = client.get("/api-keys/")

    assert rows_of(response) == [
        {
            "Name": "my-openai-key",
            "Provider": "O OpenAI",
            "Key": "…wXyZ",
            "Environment": "Staging",
            "Endpoints": "2 endpoints that use my-openai-key",
            "Last used": "Never",
            "Expires": "—",
            "Last updated": "just now",
            "Created": "just now",
        }
    ]
    assertContains(response, f'href="/api-keys/{key.pk}/edit/?list="')
    assertContains(response, f'href="/api-keys/{key.pk}/delete/?list="')
    assertContains(response, f'href="/api-keys/{key.pk}/endpoints/"')


@pytest.mark.parametrize(
    ("secret", "shown"), [("s" * 15 + "wXyZ", "—"), ("s" * 16 + "wXyZ", "…wXyZ")]
)
def test_only_a_long_secret_has_a_hint(
    client: Client, make_key: MakeKey, secret: str, shown: str
) -> None:
    make_key("my-key", "anthropic", secrets={"api_key": secret})

    assert rows_of(client.get("/api-keys/"))[0]["Key"] == shown


def test_a_key_that_is_the_servers_own_identity_is_marked(
    client: Client, make_key: MakeKey
) -> None:
    make_key("vertex", "vertex_ai", "default_chain")

    assert rows_of(client.get("/api-keys/"))[0]["Key"] == "Server identity"


def test_an_unreadable_key_is_listed_as_such_and_breaks_nothing_else(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    spoilt = make_key("a-spoilt-key")
    make_key("b-good-key")
    make_endpoint("search", spoilt)
    spoil(spoilt)

    rows = rows_of(client.get("/api-keys/"))

    assert [row["Key"] for row in rows] == ["Unreadable", "…wXyZ"]
    assert rows[0]["Endpoints"].startswith("1 ")
    for page in ("", "edit/", "delete/", "endpoints/"):
        assert client.get(f"/api-keys/{spoilt.pk}/{page}").status_code == 200, page


def test_without_the_master_key_every_row_is_listed(
    client: Client, make_key: MakeKey, settings: Settings
) -> None:
    make_key("my-openai-key")
    make_key("my-anthropic-key", "anthropic")
    settings.FERNET_KEYS = [keyring.generate_master_key()]

    rows = rows_of(client.get("/api-keys/"))

    assert [row["Key"] for row in rows] == ["Unreadable", "Unreadable"]


def test_the_list_opens_no_secret(
    client: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key("my-openai-key")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("The list opened a secret.")

    monkeypatch.setattr(sealing, "open_sealed", refuse)

    assert rows_of(client.get("/api-keys/"))[0]["Key"] == "…wXyZ"


def test_the_count_leads_to_the_names(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key("my-openai-key")
    make_endpoint("search", key)
    make_endpoint("assist", key, enabled=False)
    make_endpoint("other", make_key("another"))

    page = text_of(client.get(f"/api-keys/{key.pk}/endpoints/"))

    assert "assist Disabled search Active" in page
    assert "other" not in page


NAMES = ["100% prod", "1000 prod", "a_b", "axb", r"back\slash", "Straße", "Zürich ПРОД", "🔑 emoji"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("prod", ["100% prod", "1000 prod"]),
        ("PROD", ["100% prod", "1000 prod"]),
        ("00%", ["100% prod"]),
        ("%", ["100% prod"]),
        ("_", ["a_b"]),
        ("a_b", ["a_b"]),
        ("\\", [r"back\slash"]),
        ("STRASSE", ["Straße"]),
        ("zÜRICH", ["Zürich ПРОД"]),
        ("прод", ["Zürich ПРОД"]),
        ("🔑", ["🔑 emoji"]),
        ("  prod  ", ["100% prod", "1000 prod"]),
        ("'", []),
        ("\\%", []),
        ("nothing like it", []),
    ],
)
def test_keys_are_found_by_any_part_of_their_name_in_any_case(
    client: Client, make_key: MakeKey, query: str, found: list[str]
) -> None:
    for name in NAMES:
        make_key(name)

    assert names_in(client.get("/api-keys/", {"q": query})) == found


def test_a_search_for_nothing_finds_everything(client: Client, make_key: MakeKey) -> None:
    make_key("my-openai-key")

    assert names_in(client.get("/api-keys/?q=++")) == ["my-openai-key"]


def test_a_search_without_results_is_explained_and_links_to_the_whole_list(
    client: Client, make_key: MakeKey
) -> None:
    make_key("my-openai-key")

    response = client.get("/api-keys/?q=nonsense")

    assertContains(response, "No matching API keys")
    assertContains(response, "Clear filters")


def test_keys_are_filtered_by_provider_and_environment(client: Client, make_key: MakeKey) -> None:
    make_key("a", "openai", environment="production")
    make_key("b", "openai", "azure_api_key", environment="staging")
    make_key("c", "anthropic", environment="staging")

    assert names_in(client.get("/api-keys/?provider=openai")) == ["a", "b"]
    assert names_in(client.get("/api-keys/?environment=staging")) == ["b", "c"]
    assert names_in(client.get("/api-keys/?provider=openai&environment=staging")) == ["b"]
    assert names_in(client.get("/api-keys/?provider=openai&environment=staging&q=claude")) == []


def test_what_is_filtered_by_stays_chosen(client: Client, make_key: MakeKey) -> None:
    make_key("my-openai-key")

    response = client.get("/api-keys/?provider=openai&environment=production&q=my&sort=-name")

    assertContains(response, '<option value="openai" selected>OpenAI (1)</option>', html=True)
    assertContains(response, '<option value="production" selected>Production</option>', html=True)
    assertContains(response, 'value="my"')
    assertContains(response, 'name="sort" value="-name"')


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["Bert", "anna", "carl"]),
        ("-name", ["carl", "anna", "Bert"]),
        ("updated", ["anna", "carl", "Bert"]),
        ("-updated", ["Bert", "carl", "anna"]),
        ("created", ["carl", "Bert", "anna"]),
        ("-created", ["anna", "Bert", "carl"]),
    ],
)
def test_the_list_is_sorted_both_ways(
    client: Client, make_key: MakeKey, sort: str, names: list[str]
) -> None:
    if "name" in sort:
        names = sorted(names, key=str.casefold, reverse=sort.startswith("-"))
    for name, created, updated in (("anna", 1, 3), ("Bert", 2, 1), ("carl", 3, 2)):
        key = make_key(name)
        ApiKey.objects.filter(pk=key.pk).update(
            created_at=timezone.now() - timedelta(days=created),
            credentials_changed_at=timezone.now() - timedelta(days=updated),
        )

    response = client.get("/api-keys/", {"sort": sort})

    assert names_in(response) == names
    order = "descending" if sort.startswith("-") else "ascending"
    assertContains(response, f'aria-sort="{order}"', count=1)


def test_a_heading_sorts_and_sorts_the_other_way_next_time(
    client: Client, make_key: MakeKey
) -> None:
    make_key("my-openai-key")

    assertContains(client.get("/api-keys/?q=my"), 'href="?q=my&amp;sort=created"')
    assertContains(client.get("/api-keys/?q=my&sort=created"), 'href="?q=my&amp;sort=-created"')
    assertContains(
        client.get("/api-keys/?q=my&sort=-created&page=2"), 'href="?q=my&amp;sort=created"'
    )


def test_the_list_has_fifty_rows_a_page(client: Client, make_key: MakeKey) -> None:
    for number in range(52):
        make_key(f"key {number:02}")

    first, second = client.get("/api-keys/?q=key"), client.get("/api-keys/?q=key&page=2")

    assert names_in(first) == [f"key {number:02}" for number in range(50)]
    assert names_in(second) == ["key 50", "key 51"]
    assertContains(first, "52 API keys")
    assertContains(first, "Page 1 of 2")
    assertContains(first, 'href="?q=key&amp;page=2"')
    assertContains(second, 'href="?q=key&amp;page=1"')


def test_any_page_number_leads_to_a_page_with_rows(client: Client, make_key: MakeKey) -> None:
    for number in range(51):
        make_key(f"key {number:02}")

    for page in ("garbage", "0", "-1", "999999", "9" * 30, "1.5", "", "%00", "٢", "9" * 5000):
        assert len(names_in(client.get(f"/api-keys/?page={page}", follow=True))) in (1, 50), page


@pytest.mark.parametrize("count", [9, 10, 11])
@pytest.mark.parametrize("sort", SORTS)
def test_the_pages_together_are_the_list_in_its_order(
    client: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch, sort: str, count: int
) -> None:
    monkeypatch.setattr(list_pages, "ROWS", 2)
    now = timezone.now()
    for number in range(count):
        key = make_key(f"key {number:02}")
        at = now - timedelta(days=number % 2)  # many at once, so that only the id tells them apart
        ApiKey.objects.filter(pk=key.pk).update(created_at=at, credentials_changed_at=at)
    expected = list(ApiKey.objects.sorted_by(sort).values_list("name", flat=True))

    found = [
        names_in(client.get("/api-keys/", {"sort": sort, "page": page}))
        for page in range(1, (count + 1) // 2 + 1)
    ]

    assert found == [expected[start : start + 2] for start in range(0, count, 2)]


@pytest.mark.parametrize("fields", SORTS.values(), ids=SORTS)
def test_no_order_leaves_ties(fields: tuple[str, ...]) -> None:
    assert ApiKey._meta.get_field(fields[-1].lstrip("-")).unique


def test_no_page_is_found_by_skipping_more_than_half(
    client: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_pages, "ROWS", 2)
    for number in range(11):
        make_key(f"key {number:02}")

    with CaptureQueriesContext(connection) as captured:
        for page in range(1, 7):
            client.get(f"/api-keys/?page={page}")

    skipped = re.findall(r"OFFSET (\d+)", " ".join(query["sql"] for query in captured))
    assert [int(rows) for rows in skipped] == [2, 4, 3, 1]


@pytest.mark.parametrize(
    "query",
    [
        "provider=nonsense",
        "provider=%00",
        "environment=nonsense",
        "environment=%F0%9F%94%91",
        "q=%00",
        "q=%ff%fe",
        "q=" + "x" * 500,
        "sort=%00",
        "sort=" + "x" * 500,
    ],
)
def test_a_filter_that_makes_no_sense_finds_nothing_and_is_a_page(
    client: Client, make_key: MakeKey, query: str
) -> None:
    make_key("my-openai-key")

    response = client.get(f"/api-keys/?{query}")

    assertContains(response, "No matching API keys")
    assert names_in(response) == []


@pytest.mark.parametrize("sort", ["nonsense", "scheme__provider", "-", "pk", "?"])
def test_an_unknown_order_is_the_usual_one(client: Client, make_key: MakeKey, sort: str) -> None:
    make_key("b")
    make_key("a")

    assert names_in(client.get("/api-keys/", {"sort": sort})) == ["a", "b"]


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    "query", ["", "?q=key&provider=openai&environment=production&sort=-updated"]
)
def test_the_database_is_asked_as_often_for_many_rows_as_for_few(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint, query: str
) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            make_endpoint(f"endpoint-{number}", make_key(f"key {number:02}"))

    add(range(5))
    few = queries_of(client, f"/api-keys/{query}")
    add(range(5, 45))
    many = queries_of(client, f"/api-keys/{query}")

    assert few == many <= 12


def test_another_page_costs_few_queries_more(client: Client, make_key: MakeKey) -> None:
    make_key("key")
    one_page = queries_of(client, "/api-keys/")
    for number in range(51):
        make_key(f"key {number:02}")

    assert queries_of(client, "/api-keys/?page=2") <= one_page + 3


def test_no_token_and_no_fingerprint_is_in_the_list(client: Client, make_key: MakeKey) -> None:
    version = make_key("my-openai-key").current

    response = client.get("/api-keys/")

    assertNotContains(response, version.sealed.token.decode()[:20])
    assertNotContains(response, version.fingerprint)
    assert not errors_in(response)
    assert "gAAAA" not in html_of(response)
