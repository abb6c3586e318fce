"""Pages that the list of API keys opens lead back to it as it was, and on to the next key."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, AuthScheme
from apikeys.views import list_position
from tests.browsing import edited, html_of, messages_after, names_in, new_key, text_of
from tests.conftest import MakeKey

pytestmark = pytest.mark.django_db

FILTERED = "q=key&team=Chat&sort=-name&page=2"


@pytest.fixture
def keys(make_key: MakeKey) -> list[ApiKey]:
    """Three keys of one team, and one of none."""
    make_key("other")
    return [make_key(f"key {letter}", team="Chat") for letter in "abc"]


def page(key: ApiKey, path: str, query: str = "q=key&team=Chat") -> str:
    return f"/api-keys/{key.pk}/{path}?{urlencode({'list': query})}"


def links_of(response: HttpResponse) -> set[str]:
    return set(re.findall(r'(?:href|action|hx-get|hx-post)="([^"]*)"', html_of(response)))


def test_the_list_passes_its_filter_to_the_pages_that_it_opens(
    client: Client, keys: list[ApiKey]
) -> None:
    response = client.get(f"/api-keys/?{FILTERED}")

    for path in ("", "edit/", "delete/"):
        assert page(keys[0], path, FILTERED) in links_of(response)
    back = urlencode({"next": f"/api-keys/?{FILTERED}"})
    assert f"/api-keys/new/?{back}" in links_of(response)


def test_every_page_of_a_key_passes_the_list_on_and_links_back(
    client: Client, keys: list[ApiKey]
) -> None:
    key = keys[0]

    response = client.get(page(key, "", FILTERED))

    assertContains(response, f'<a href="/api-keys/?{FILTERED.replace("&", "&amp;")}">')
    own = {link for link in links_of(response) if link.startswith(f"/api-keys/{key.pk}/")}
    assert {page(key, path, FILTERED) for path in ("edit/", "delete/", "stage/", "test/")} <= own
    assert all(link.endswith(urlencode({"list": FILTERED})) for link in own)
    for path in ("edit/", "delete/", "stage/", "disable/"):
        assert page(key, path, FILTERED) in links_of(client.get(page(key, path, FILTERED))), path


def test_saving_and_deleting_return_to_the_filtered_list(
    client: Client, keys: list[ApiKey]
) -> None:
    first, second, _ = keys

    saved = client.post(page(first, "edit/", FILTERED), edited(first, description="New"))
    assertRedirects(saved, f"/api-keys/?{FILTERED}", fetch_redirect_response=False)
    deleted = client.post(
        page(second, "delete/", FILTERED), {"seen": blast_radius_of(second).digest()}
    )
    assertRedirects(deleted, f"/api-keys/?{FILTERED}", fetch_redirect_response=False)
    assert messages_after(client, deleted) == ["Saved key a.", "Deleted key b."]


def test_saving_returns_to_the_list_if_it_was_not_filtered_and_else_to_the_key(
    client: Client, keys: list[ApiKey]
) -> None:
    key = keys[0]

    from_list = client.post(page(key, "edit/", ""), edited(key, description="New"))
    assertRedirects(from_list, "/api-keys/")
    key.refresh_from_db()
    from_key = client.post(f"/api-keys/{key.pk}/edit/", edited(key, description="Newer"))
    assertRedirects(from_key, f"/api-keys/{key.pk}/")


def test_creating_returns_to_the_filtered_list(client: Client, openai: AuthScheme) -> None:
    response = client.post("/api-keys/new/", new_key(openai, next=f"/api-keys/?{FILTERED}&x=y"))

    assertRedirects(response, f"/api-keys/?{FILTERED}", fetch_redirect_response=False)


def test_staging_returns_to_the_key_which_still_leads_back(
    client: Client, keys: list[ApiKey]
) -> None:
    key = keys[0]

    response = client.post(page(key, "stage/"), {"rev": key.rev, "api_key": "sk-proj-" + "n" * 40})

    assertRedirects(response, page(key, ""))


@pytest.mark.parametrize(
    "query",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "next=https://evil.example/",
        "?@evil.example",
        "\r\nLocation: https://evil.example",
        "javascript:alert(1)",
        "\0",
        "&" * 3000,
        "q=" + "x" * 3000,
        "page=9e9&page=٢",
    ],
)
def test_whatever_the_url_contains_the_page_leads_back_to_the_list(
    client: Client, keys: list[ApiKey], query: str
) -> None:
    key = keys[0]

    response = client.post(page(key, "edit/", query), edited(key, description="New"))

    assertRedirects(response, "/api-keys/")
    assert "evil" not in text_of(client.get(page(key, "", query)))
    assertContains(client.get(page(key, "", query)), '<a href="/api-keys/">')


@pytest.mark.parametrize("target", ["//evil.example/api-keys/?q=x", "https://evil.example/?q=x"])
def test_creating_leads_to_no_other_site(client: Client, openai: AuthScheme, target: str) -> None:
    assertRedirects(client.post("/api-keys/new/", new_key(openai, next=target)), "/api-keys/")


# --- Save and next -----------------------------------------------------------------------------


def test_save_and_next_goes_through_the_filtered_list_in_its_order(
    client: Client, keys: list[ApiKey]
) -> None:
    first, second, third = keys
    listed = "q=key&sort=-name"

    assert "2 of 3" in text_of(client.get(page(second, "edit/", listed)))
    response = client.post(
        page(third, "edit/", listed), {**edited(third, description="New"), "next": "1"}
    )
    assertRedirects(response, page(second, "edit/", listed))
    last = client.get(page(first, "edit/", listed))
    assert "3 of 3" in text_of(last)
    assertNotContains(last, "Save and next")


def test_the_next_key_is_found_even_if_saving_takes_this_one_out_of_the_list(
    client: Client, keys: list[ApiKey]
) -> None:
    first, second, _ = keys

    data = {**edited(first, team="Other"), "next": "1"}
    response = client.post(page(first, "edit/", "team=Chat"), data)

    assertRedirects(response, page(second, "edit/", "team=Chat"))
    assert names_in(client.get("/api-keys/?team=Chat")) == ["key b", "key c"]


def test_the_last_key_leads_back_to_the_list(client: Client, keys: list[ApiKey]) -> None:
    data = {**edited(keys[2], description="New"), "next": "1"}

    response = client.post(page(keys[2], "edit/"), data)

    assertRedirects(response, "/api-keys/?q=key&team=Chat")


@pytest.mark.parametrize("query", ["", "sort=-name", "q=nothing", "team=Other"])
def test_without_a_filter_or_outside_of_it_there_is_no_next_key(
    client: Client, keys: list[ApiKey], query: str
) -> None:
    for path in ("edit/", "stage/"):
        assertNotContains(client.get(page(keys[0], path, query)), "and next")


def test_staging_goes_on_to_the_next_key_too(client: Client, keys: list[ApiKey]) -> None:
    first, second, _ = keys
    assertContains(client.get(page(first, "stage/")), "Stage and next")
    data = {"rev": first.rev, "api_key": "sk-proj-" + "n" * 40, "next": "1"}

    response = client.post(page(first, "stage/"), data)

    assertRedirects(response, page(second, "stage/"))


def test_what_is_wrong_is_shown_before_going_on(client: Client, keys: list[ApiKey]) -> None:
    data: dict[str, Any] = {**edited(keys[0], name=""), "next": "1"}

    response = client.post(page(keys[0], "edit/"), data)

    assert response.status_code == 422
    assertContains(response, "Save and next", status_code=422)


def test_of_a_long_list_only_the_beginning_is_counted(
    client: Client, keys: list[ApiKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_position, "MAX_ROWS", 2)

    assert "1 of 2+" in text_of(client.get(page(keys[0], "edit/")))
    assert "Save and next" in text_of(client.get(page(keys[1], "edit/")))
    assertNotContains(client.get(page(keys[2], "edit/")), "Save and next")
