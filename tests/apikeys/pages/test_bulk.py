"""Acting on many API keys at once."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey, AuthScheme
from apikeys.services import MOST_KEYS, disable_api_key
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from tests import drafts
from tests.browsing import errors_in, html_of, inputs_of, messages_after, text_of
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(make_key: MakeKey) -> list[ApiKey]:
    return [make_key(f"key-{letter}") for letter in "abc"]


def url_of(action: str, *keys: ApiKey, filters: str = "", **query: Any) -> str:
    pairs = [("key", str(key.pk)) for key in keys] + [*query.items(), ("list", filters)]
    return f"/api-keys/selected/{action}/?{urlencode(pairs)}"


def confirm(client: Client, url: str, **typed: Any) -> HttpResponse:
    """Open the page and send its form, as a browser would."""
    return client.post(url, {**inputs_of(client.get(url)), **typed})


def acts_on(*keys: ApiKey) -> list[tuple[str, str]]:
    ids = [str(key.pk) for key in keys]
    events = AuditEvent.objects.filter(subject_id__in=ids).exclude(act="created").order_by("id")
    return list(events.values_list("act", "subject_name"))


def test_the_list_has_a_box_for_each_key_and_the_actions(
    client: Client, keys: list[ApiKey]
) -> None:
    html = html_of(client.get("/api-keys/?q=key"))

    for key in keys:
        assert f'name="key" value="{key.pk}" form="bulk" aria-label="Select {key.name}"' in html
    for action in ("edit", "enable", "disable", "delete"):
        assert f'formaction="/api-keys/selected/{action}/"' in html
    assert '<input type="hidden" name="list" value="q=key">' in html
    assert 'name="all"' not in html  # all of them are on this page


def test_all_that_match_can_be_selected_where_there_are_more_pages(
    client: Client, openai: AuthScheme
) -> None:
    make_many(openai, 60)

    html = html_of(client.get("/api-keys/?environment=production"))

    assert "Select all 60 keys that match" in html


def test_disabling_names_the_keys_and_what_would_stop_and_asks(
    client: Client, keys: list[ApiKey], make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", keys[0])
    url = url_of("disable", *keys[:2])

    page = text_of(client.get(url))

    assert "Disable 2 API keys" in page
    assert "key-a" in page
    assert "key-b" in page
    assert "key-c" not in page
    assert "1 endpoint uses these keys; 1 would stop working." in page
    assert not acts_on(*keys)

    response = confirm(client, url)

    assert messages_after(client, response) == ["Disabled 2 API keys."]
    assert acts_on(*keys) == [("disabled", "key-a"), ("disabled", "key-b")]
    states = dict(ApiKey.objects.values_list("name", "enabled"))
    assert states == {"key-a": False, "key-b": False, "key-c": True}


def test_the_blast_radius_is_that_of_losing_all_keys_at_once(
    client: Client, keys: list[ApiKey], make_endpoint: MakeEndpoint
) -> None:
    both = make_endpoint("both", keys[0])
    Route.objects.create(endpoint=both, api_key=keys[1], model="x", kind="fallback")

    for alone in keys[:2]:
        page = text_of(client.get(url_of("delete", alone)))
        assert "1 endpoint uses these keys." in page
    page = text_of(client.get(url_of("delete", *keys[:2])))
    assert "1 endpoint uses these keys; 1 would stop working." in page


def test_enabling_does_not_change_enabled_keys_and_reports_them(
    client: Client, keys: list[ApiKey], by: Actor
) -> None:
    disable_api_key(keys[0], by=by, rev=1)

    response = confirm(client, url_of("enable", *keys))

    assert messages_after(client, response) == ["Enabled 1 API key. 2 were unchanged."]
    assert acts_on(*keys) == [("disabled", "key-a"), ("enabled", "key-a")]
    assert [key.rev for key in ApiKey.objects.order_by("name")] == [3, 1, 1]


def test_only_the_checked_details_are_changed(client: Client, keys: list[ApiKey]) -> None:
    ApiKey.objects.filter(pk=keys[0].pk).update(team="Search", rev=2)
    url = url_of("edit", *keys)

    response = confirm(
        client, url, set_team="on", team="Search", environment="staging", rotate_every_days="x"
    )

    assert messages_after(client, response) == ["Saved 2 API keys. 1 was unchanged."]
    assert set(ApiKey.objects.values_list("team", "environment")) == {("Search", "production")}
    events = AuditEvent.objects.filter(act="edited")
    assert {(event.subject_name, *event.fields) for event in events} == {
        ("key-b", "team"),
        ("key-c", "team"),
    }


def test_a_new_interval_sets_the_deadlines_and_a_new_team_is_found(
    client: Client, keys: list[ApiKey]
) -> None:
    typed = {"set_rotate_every_days": "on", "rotate_every_days": "1", "set_team": "on"}

    confirm(client, url_of("edit", *keys), **typed, team="Finance")

    key = ApiKey.objects.get(name="key-a")
    assert key.overdue_at is not None
    assert key.due_at is not None
    assert "3 API keys" in text_of(client.get("/api-keys/?q=finance"))

    confirm(client, url_of("edit", *keys), set_rotate_every_days="on", rotate_every_days="")

    key.refresh_from_db()
    assert (key.rotate_every_days, key.overdue_at, key.due_at) == (None, None, None)


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({}, ""),
        ({"set_environment": "on", "environment": "staging", "team": "Search"}, "team"),
        ({"set_team": "on", "rotate_every_days": "9"}, "rotate_every_days"),
        ({"set_environment": "on", "environment": "moon"}, "environment"),
        ({"set_environment": "on", "environment": ""}, "environment"),
        ({"set_team": "on", "team": "a\nb"}, "team"),
        ({"set_team": "on", "team": "x" * 81}, "team"),
        ({"set_rotate_every_days": "on", "rotate_every_days": "0"}, "rotate_every_days"),
        ({"set_rotate_every_days": "on", "rotate_every_days": "3651"}, "rotate_every_days"),
    ],
)
def test_invalid_details_change_nothing(
    client: Client, keys: list[ApiKey], typed: dict[str, str], wrong: str
) -> None:
    response = confirm(client, url_of("edit", *keys), **typed)

    assert response.status_code == 422
    assert set(errors_in(response)) == {wrong}
    assert not acts_on(*keys)


def test_deleting_keys_in_use_takes_a_phrase(
    client: Client, keys: list[ApiKey], make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", keys[0])
    url = url_of("delete", *keys[:2], filters="q=key")

    for typed in ("", "delete 3 keys", "key-a"):
        response = confirm(client, url, confirmation=typed)
        assert response.status_code == 422
        assert set(errors_in(response)) == {"confirmation"}
    assert ApiKey.objects.count() == 3

    response = confirm(client, url, confirmation=" delete 2 keys ")

    assert response.headers["Location"] == "/api-keys/?q=key"
    assert messages_after(client, response) == ["Deleted 2 API keys."]
    assert [key.name for key in ApiKey.objects.all()] == ["key-c"]
    assert Endpoint.objects.get().rev == endpoint.rev + 1
    page = text_of(client.get("/activity/"))
    assert "kim deleted API key key-a · left 1 endpoint without this key" in page
    assert "kim deleted API key key-b" in page
    assert "kim key removed endpoint search · API key · key-a was deleted" in page


def test_deleting_unused_keys_asks_once(client: Client, keys: list[ApiKey]) -> None:
    url = url_of("delete", *keys)
    assert set(inputs_of(client.get(url))) == {"selected", "seen"}

    assert confirm(client, url).status_code == 302
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("action", ["disable", "enable", "edit", "delete"])
def test_nothing_happens_to_any_key_if_one_was_changed_concurrently(
    client: Client, keys: list[ApiKey], by: Actor, action: str
) -> None:
    url = url_of(action, *keys)
    inputs = inputs_of(client.get(url)) | {"set_team": "on", "team": "Search"}
    changed = ApiKey.objects.get(pk=keys[1].pk)
    changed.description = "By somebody else"
    drafts.save(changed, by=by, rev=1)

    response = client.post(url, inputs)

    assert response.status_code == 409
    page = text_of(response)
    assert "Nothing was done. Some of these keys have changed" in page
    assert "Changed: key-b" in page
    assert acts_on(*keys) == [("edited", "key-b")]

    if action == "edit":
        assert 'name="set_team" id="id_set_team" checked' in html_of(response)
    again = inputs | inputs_of(response) | {"set_team": "on"}
    assert client.post(url, again).status_code == 302
    assert len(acts_on(*keys)) == (1 if action == "enable" else 4)


def test_a_key_deleted_concurrently_stops_the_action_too(
    client: Client, keys: list[ApiKey]
) -> None:
    url = url_of("disable", *keys)
    inputs = inputs_of(client.get(url))
    ApiKey.objects.filter(pk=keys[2].pk).update(current=None)
    ApiKey.objects.get(pk=keys[2].pk).delete()

    response = client.post(url, inputs)

    assert response.status_code == 409
    assert "Deleted: 1 key" in text_of(response)
    assert set(ApiKey.objects.values_list("enabled", flat=True)) == {True}


@pytest.mark.parametrize("action", ["disable", "delete"])
def test_another_endpoint_that_uses_a_key_is_shown_first(
    client: Client, keys: list[ApiKey], make_endpoint: MakeEndpoint, action: str
) -> None:
    url = url_of(action, *keys)
    inputs = inputs_of(client.get(url))
    make_endpoint("search", keys[0])

    response = client.post(url, inputs)

    assert response.status_code == 409
    assert "The endpoints using these keys have changed" in text_of(response)
    assert not acts_on(*keys)


@pytest.mark.parametrize(
    "query",
    ["", "key=", "key=x", "key=%00", "list=q%3Dkey", "key=" + "0" * 32, "all=1&list=q%3Dneedle"],
)
def test_nothing_selected_is_said(client: Client, keys: list[ApiKey], query: str) -> None:
    response = client.get(f"/api-keys/selected/delete/?{query}")

    assert response.status_code == 422
    assert "No API keys are selected" in text_of(response)


@pytest.mark.parametrize("selected", ["", "x", "a:b", "1:2:3", "\0", "0" * 32 + ":" + "9" * 5000])
def test_a_malformed_selection_changes_nothing(
    client: Client, keys: list[ApiKey], selected: str
) -> None:
    response = client.post("/api-keys/selected/delete/", {"selected": selected, "seen": ""})

    assert response.status_code == 422
    assert ApiKey.objects.count() == 3


def test_all_is_all_that_the_filter_finds(
    client: Client, keys: list[ApiKey], make_key: MakeKey
) -> None:
    make_key("other")
    url = url_of("disable", all="1", filters="q=key&sort=-name")

    response = confirm(client, url)

    assert response.headers["Location"] == "/api-keys/?q=key&sort=-name"
    assert ApiKey.objects.get(enabled=True).name == "other"


def make_many(scheme: AuthScheme, count: int) -> None:
    names = [f"key-{number:04}" for number in range(count)]
    ApiKey.objects.bulk_create(ApiKey(name=name, name_key=name, scheme=scheme) for name in names)


def test_a_thousand_keys_at_once_are_the_most(client: Client, openai: AuthScheme) -> None:
    make_many(openai, MOST_KEYS)
    url = url_of("disable", all="1")

    with CaptureQueriesContext(connection) as queries:
        response = confirm(client, url)

    assert messages_after(client, response) == ["Disabled 1,000 API keys."]
    assert AuditEvent.objects.filter(act="disabled").count() == MOST_KEYS
    assert len(queries) < 60
    ApiKey.objects.create(name="one more", scheme=openai)
    response = client.get(url)
    assert response.status_code == 422
    assert "You can change at most 1,000 API keys at once." in text_of(response)


@pytest.mark.parametrize("action", ["disable", "edit", "delete"])
def test_the_number_of_queries_does_not_grow_with_the_keys(
    client: Client, openai: AuthScheme, action: str
) -> None:
    typed = {"set_team": "on", "team": "Search"}
    counts = []
    for number in (2, 40):
        ApiKey.objects.all().delete()
        make_many(openai, number)
        with CaptureQueriesContext(connection) as queries:
            assert confirm(client, url_of(action, all="1"), **typed).status_code == 302
        counts.append(len(queries))

    assert counts[1] <= counts[0] + 2  # events are inserted in batches


@pytest.mark.parametrize("action", ["disable", "edit", "delete"])
def test_without_its_event_no_key_is_changed(
    client: Client, keys: list[ApiKey], lose_events_table: Any, action: str
) -> None:
    url = url_of(action, *keys)
    inputs = inputs_of(client.get(url)) | {"set_team": "on", "team": "Search"}
    lose_events_table()
    client.raise_request_exception = False

    assert client.post(url, inputs).status_code in (500, 503)  # PostgreSQL and SQLite differ
    assert ApiKey.objects.filter(enabled=True, team="", rev=1).count() == 3


def test_a_person_sees_only_the_actions_that_they_may_take(keys: list[ApiKey]) -> None:
    person = User.objects.create_user("ed")
    person.user_permissions.add(Permission.objects.get(codename="change_apikey"))
    client = Client()
    client.force_login(person)

    html = html_of(client.get("/api-keys/"))

    assert "/selected/disable/" in html
    assert "/selected/delete/" not in html
    assert client.get(url_of("delete", *keys)).status_code == 403
    assert client.post(url_of("delete", *keys)).status_code == 403


def test_a_user_who_may_only_look_sees_no_boxes(visitor: Client, keys: list[ApiKey]) -> None:
    html = html_of(visitor.get("/api-keys/"))

    assert 'type="checkbox"' not in html
    assert "/selected/" not in html
    assert "/api-keys/export/" in html
