"""Deleting an API key."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from apikeys.models import ApiKey, CredentialVersion
from endpoints.models import Endpoint, Route
from gatewayproject import keyring
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, html_of, inputs_of, messages_after, text_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.usage import state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key")


def url_of(key: ApiKey) -> str:
    return f"/api-keys/{key.pk}/delete/"


def test_a_key_that_nothing_uses_asks_once(client: Client, key: ApiKey) -> None:
    page = client.get(url_of(key))
    assert "No endpoint uses this key." in text_of(page)
    assert set(inputs_of(page)) == {"seen"}

    response = client.post(url_of(key), inputs_of(page))

    assert response.headers["Location"] == "/api-keys/"
    assert messages_after(client, response) == ["Deleted my-openai-key."]
    assert not ApiKey.objects.exists()
    assert not CredentialVersion.objects.exists()


def test_looking_deletes_nothing(client: Client, key: ApiKey) -> None:
    for method in (client.get, client.head):
        method(url_of(key))

    assert ApiKey.objects.exists()


def test_it_names_what_depends_on_the_key_and_what_would_be_left_without_one(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    make_endpoint("off", key, enabled=False)
    both = make_endpoint("both", key)
    Route.objects.create(endpoint=both, api_key=make_key("spare"), model="x", kind="fallback")

    page = text_of(client.get(url_of(key)))

    assert "3 endpoints use this key; 2 would stop working." in page
    assert "both Active off Disabled Would stop working search Active Would stop" in page


@pytest.mark.parametrize("typed", ["", "search", "my-openai", "MY-OPENAI-KEY", "\0", "x" * 300])
def test_a_key_in_use_is_not_deleted_by_accident(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint, typed: str
) -> None:
    make_endpoint("search", key)
    inputs = inputs_of(client.get(url_of(key)))

    response = client.post(url_of(key), {**inputs, "confirmation": typed})

    assert response.status_code == 422
    assert set(errors_in(response)) == {"confirmation"}
    assert "search" in text_of(response)
    assert ApiKey.objects.exists()
    assert not AuditEvent.objects.filter(act="deleted").exists()


def test_the_typed_name_deletes_it_and_its_endpoints_say_that_they_have_no_key(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    inputs = inputs_of(client.get(url_of(key)))

    response = client.post(url_of(key), {**inputs, "confirmation": " my-openai-key "})

    assert response.status_code == 302
    assert "Down Primary: no key" in text_of(client.get("/endpoints/"))
    assert "This endpoint has no key" in text_of(client.get("/endpoints/search/"))
    page = text_of(client.get("/activity/"))
    assert "kim deleted API key my-openai-key · left 1 endpoint without this key" in page
    assert "kim key removed endpoint search · API key · my-openai-key was deleted" in page


def test_another_key_takes_over(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    make_endpoint("off", key, enabled=False)
    spare = make_key("spare")
    page = client.get(url_of(key))
    assert '<option value="spare"' in html_of(page)
    assert '<option value="my-openai-key"' not in html_of(page)

    response = client.post(url_of(key), {**inputs_of(page), "replacement": " SPARE "})

    assert response.status_code == 302
    assert set(Route.objects.values_list("api_key", flat=True)) == {spare.pk}
    assert "moved 2 endpoints to spare" in text_of(client.get("/activity/"))


@pytest.mark.parametrize(
    "chosen", ["claude", "my-openai-key", "nonsense", "\0", "x" * 60_000, "<b>"]
)
def test_only_another_key_of_the_same_provider_takes_over(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint, chosen: str
) -> None:
    make_endpoint("search", key)
    make_key("claude", "anthropic")
    make_key("spare")
    inputs = inputs_of(client.get(url_of(key)))

    response = client.post(url_of(key), {**inputs, "replacement": chosen})

    assert response.status_code == 422
    assert "replacement" in errors_in(response)
    assert Route.objects.get().api_key == key


def test_a_replacement_that_was_deleted_concurrently_is_refused(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    spare = make_key("spare")
    inputs = inputs_of(client.get(url_of(key)))
    spare.delete()

    response = client.post(url_of(key), {**inputs, "replacement": "spare"})

    assert response.status_code == 422
    assert errors_in(response)
    assert ApiKey.objects.filter(pk=key.pk).exists()


def test_what_is_typed_so_far_narrows_what_is_suggested(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    make_key("spare")
    make_key("other")

    page = html_of(client.get(f"{url_of(key)}?replacement=SPA"))

    assert '<option value="spare"' in page
    assert '<option value="other"' not in page


@pytest.mark.parametrize("typed", ["nonsense", "%00", "%ff", "%25", "%F0%9F%94%91", "x" * 500])
def test_whatever_is_typed_so_far_there_is_a_page(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint, typed: str
) -> None:
    make_endpoint("search", key)

    assert client.get(f"{url_of(key)}?replacement={typed}").status_code == 200


def test_without_another_key_that_fits_none_is_offered(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key)
    make_key("claude", "anthropic")

    page = client.get(url_of(key))

    assert "No other key offers the same API and models, so they cannot be moved." in text_of(page)
    assert set(inputs_of(page)) == {"seen", "confirmation"}


def test_where_nothing_active_depends_on_it_no_name_is_asked_for(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("off", key, enabled=False)
    inputs = inputs_of(client.get(url_of(key)))
    assert "confirmation" not in inputs

    client.post(url_of(key), inputs)

    assert not ApiKey.objects.exists()
    assert state_of(Endpoint.objects.get()) == "disabled"


# --- Two people at once --------------------------------------------------------------------------


def test_the_second_user_sees_that_it_changed_and_nothing_is_lost(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    old = inputs_of(client.get(url_of(key)))
    make_endpoint("search", key)

    response = client.post(url_of(key), old)

    assert response.status_code == 409
    assert "have changed since you opened this page" in text_of(response)
    assert "search Active" in text_of(response)
    assert ApiKey.objects.exists()
    fresh = {**inputs_of(response), "confirmation": "my-openai-key"}
    assert client.post(url_of(key), fresh).status_code == 302


def test_an_endpoint_that_was_switched_on_concurrently_changes_the_blast_radius(
    client: Client, key: ApiKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key, enabled=False)
    old = inputs_of(client.get(url_of(key)))
    Endpoint.objects.update(enabled=True)

    response = client.post(url_of(key), {**old, "confirmation": "my-openai-key"})

    assert response.status_code == 409


@pytest.mark.parametrize("seen", ["", "0" * 16, "nonsense", "\0", "x" * 9999])
def test_nothing_is_deleted_unseen(client: Client, key: ApiKey, seen: str) -> None:
    response = client.post(url_of(key), {"seen": seen, "x": "1"})

    assert response.status_code in (409, 422)
    assert ApiKey.objects.exists()


def test_deleting_twice_is_reported(client: Client, key: ApiKey) -> None:
    inputs = inputs_of(client.get(url_of(key)))
    client.post(url_of(key), inputs)

    assert client.post(url_of(key), inputs).status_code == 404
    assert AuditEvent.objects.filter(act="deleted").count() == 1


class _DeletesMeanwhile:
    """Deletes the key as soon as a request has read it and goes on to its endpoints."""

    def __init__(self, key: ApiKey) -> None:
        self.key, self.done = key, False

    def __call__(self, execute: Any, sql: str, *args: Any) -> Any:
        if "endpoints_endpoint" in sql and not self.done:
            self.done = True
            ApiKey.objects.get(pk=self.key.pk).delete()
        return execute(sql, *args)


def test_a_key_deleted_during_the_action_is_reported(client: Client, key: ApiKey) -> None:
    inputs = inputs_of(client.get(url_of(key)))

    with connection.execute_wrapper(_DeletesMeanwhile(key)):
        response = client.post(url_of(key), inputs)

    assert response.status_code in (404, 409)


def test_an_unreadable_key_can_be_deleted(client: Client, key: ApiKey, settings: Settings) -> None:
    settings.FERNET_KEYS = [keyring.generate_master_key()]

    client.post(url_of(key), inputs_of(client.get(url_of(key))))

    assert not ApiKey.objects.exists()


# --- Moving the endpoints ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "button", "shown"),
    [
        (1, "Move 1 endpoint and delete", "Deleted my-openai-key. 1 endpoint now uses ent-3."),
        (2, "Move 2 endpoints and delete", "Deleted my-openai-key. 2 endpoints now use ent-3."),
    ],
)
def test_the_button_and_the_message_tell_how_many_endpoints_move(
    client: Client,
    key: ApiKey,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    count: int,
    button: str,
    shown: str,
) -> None:
    make_key("ent-3")
    for number in range(count):
        make_endpoint(f"search-{number}", key)
    page = client.get(url_of(key))
    assert button in text_of(page)

    response = client.post(url_of(key), inputs_of(page) | {"replacement": "ent-3", "move": "1"})

    assert messages_after(client, response) == [shown]


def test_moving_needs_a_key_to_move_to(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_key("ent-3")
    make_endpoint("search", key)
    form = inputs_of(client.get(url_of(key))) | {"confirmation": key.name, "move": "1"}

    response = client.post(url_of(key), form)

    assert response.status_code == 422
    assert errors_in(response) == {"replacement": "Choose a key to move the endpoints to."}
    assert ApiKey.objects.filter(pk=key.pk).exists()


def test_deleting_without_moving_leaves_the_endpoints_without_this_key(
    client: Client, key: ApiKey, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_key("ent-3")
    make_endpoint("search", key)
    form = inputs_of(client.get(url_of(key)))
    typed = {"replacement": "ent-3", "confirmation": key.name, "move": ""}

    response = client.post(url_of(key), form | typed)

    assert messages_after(client, response) == [
        "Deleted my-openai-key. 1 endpoint no longer has this key."
    ]
    assert Route.objects.get().api_key is None
