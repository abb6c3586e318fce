"""Editing an endpoint, and its page."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import ApiKey, AuthScheme
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, html_of, inputs_of, messages_after, new_key, text_of
from tests.conftest import MakeEndpoint, MakeKey
from tests.route_forms import form, row
from tests.usage import state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def search(make_key: MakeKey, make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint("search", make_key("my-openai-key"))


def edited(
    endpoint: Endpoint, *, model: str = "gpt-5-mini", api_key: str = "my-openai-key", **changes: Any
) -> dict[str, Any]:
    """Return what the edit form of ``endpoint`` posts."""
    stored = getattr(endpoint.routes.first(), "pk", "")
    return form(
        row(0, api_key, model, route=stored),
        **{
            "name": endpoint.name,
            "description": endpoint.description,
            "rev": endpoint.rev,
            **changes,
        },
    )


def test_its_page_shows_what_it_is_made_of(client: Client, search: Endpoint) -> None:
    Route.objects.create(endpoint=search, model="spare", kind="fallback", weight=40)

    page = text_of(client.get("/endpoints/search/"))

    assert "Primary gpt-5-mini my-openai-key O OpenAI 1st fallback spare No key —" in page
    assert "Weight" not in page  # there is nothing to share
    assert "kim created" in page


def test_the_form_is_filled_with_what_is_stored(client: Client, search: Endpoint) -> None:
    inputs = inputs_of(client.get("/endpoints/search/edit/"))

    assert inputs["name"] == "search"
    assert inputs["routes-0-model"] == "gpt-5-mini"
    assert inputs["routes-0-api_key"] == "my-openai-key"


def test_saving_the_page_as_it_is_changes_nothing(client: Client, search: Endpoint) -> None:
    response = client.post("/endpoints/search/edit/", edited(search))

    assert messages_after(client, response) == ["Nothing was changed in search."]
    assert AuditEvent.objects.about(search).count() == 1


def test_everything_can_be_changed(client: Client, search: Endpoint, make_key: MakeKey) -> None:
    make_key("another")
    data = edited(search, name="find", model="gpt-6", api_key="another", description="New")
    del data["enabled"]

    response = client.post("/endpoints/search/edit/", data)

    assert response.headers["Location"] == "/endpoints/find/"
    stored = Endpoint.objects.get()
    assert (stored.name, stored.enabled, stored.description) == ("find", False, "New")
    assert stored.routes.first().model == "gpt-6"
    assert stored.routes.first().api_key.name == "another"
    assert client.get("/endpoints/search/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "other"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "A"}, "name"),
        ({"model": ""}, "routes-0-model"),
        ({"model": "a\u2028b"}, "routes-0-model"),
        ({"api_key": "nonsense"}, "routes-0-api_key"),
        ({"api_key": "a\0"}, "routes-0-api_key"),
        ({"api_key": "x" * 60_000}, "routes-0-api_key"),
        ({"description": "\x07"}, "description"),
    ],
)
def test_an_error_is_shown_at_its_input(
    client: Client,
    search: Endpoint,
    make_endpoint: MakeEndpoint,
    changes: dict[str, str],
    field: str,
) -> None:
    make_endpoint("other", ApiKey.objects.get())

    response = client.post("/endpoints/search/edit/", edited(search, **changes))

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert "Edit search" in text_of(response)
    assert Endpoint.objects.get(pk=search.pk).rev == search.rev


def test_an_endpoint_without_a_key_can_be_edited_and_given_one(
    client: Client, search: Endpoint
) -> None:
    Route.objects.update(api_key=None)

    client.post("/endpoints/search/edit/", edited(search, api_key="", description="Broken"))
    assert state_of(Endpoint.objects.get()) == "down"
    search.refresh_from_db()
    client.post("/endpoints/search/edit/", edited(search))

    assert state_of(Endpoint.objects.get()) == "active"


def test_the_second_editor_sees_a_conflict_and_keeps_the_input(
    client: Client, member: Client, search: Endpoint
) -> None:
    client.post("/endpoints/search/edit/", edited(search, model="gpt-6"))

    data = edited(search, description="Mine")
    response = member.post("/endpoints/search/edit/", data)

    assert response.status_code == 409
    assert "while you were editing. Nothing is saved yet." in text_of(response)
    assert "Mine" in html_of(response)
    assert Endpoint.objects.get().description == ""
    inputs = inputs_of(response)
    shown = {"rev": inputs["rev"], "base": inputs["base"]}
    again = data | shown | {"choice-model": "theirs", "choice-description": "mine"}
    assert member.post("/endpoints/search/edit/", again).status_code == 302
    assert Endpoint.objects.get().description == "Mine"


@pytest.mark.parametrize("rev", ["", "0", "x", "-1", "2147483648", "9" * 20, "9" * 5000, "\0"])
def test_a_revision_that_is_not_the_stored_one_changes_nothing(
    client: Client, search: Endpoint, rev: str
) -> None:
    response = client.post("/endpoints/search/edit/", edited(search, model="gpt-6", rev=rev))

    assert response.status_code in (409, 422)
    assert Route.objects.get().model == "gpt-5-mini"


def test_an_endpoint_that_has_lost_its_routes_is_still_a_page(
    client: Client, search: Endpoint
) -> None:
    Route.objects.all().delete()

    for page in ("/endpoints/", "/endpoints/search/", "/endpoints/search/edit/"):
        assert client.get(page).status_code == 200, page
    assert client.post("/endpoints/search/edit/", edited(search)).status_code == 302
    assert state_of(Endpoint.objects.get()) == "active"


def test_a_key_is_created_on_the_way_and_what_was_typed_is_kept(
    client: Client, search: Endpoint, openai: AuthScheme
) -> None:
    data = edited(search, model="gpt-6", description="Mine", create_key="0")

    away = client.post("/endpoints/search/edit/", data)
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, "fresh", next=back))
    page = client.get(response.headers["Location"])

    inputs = inputs_of(page)
    assert inputs["routes-0-api_key"] == "fresh"
    assert inputs["routes-0-model"] == "gpt-6"
    assertContains(page, "Mine")


@pytest.mark.parametrize("part", ["", "edit/", "delete/", "try/"])
@pytest.mark.parametrize("name", ["nonsense", "SEARCH", "%00", "%ff", "%2e%2e", "a%20b", "x" * 900])
def test_an_endpoint_that_there_is_not_is_not_found(
    client: Client, search: Endpoint, name: str, part: str
) -> None:
    for response in (
        client.get(f"/endpoints/{name}/{part}"),
        client.post(f"/endpoints/{name}/{part}", {"name": "x", "rev": "1"}),
    ):
        assert response.status_code == 404 or (part in ("", "try/") and response.status_code == 405)
    assertNotContains(client.get("/endpoints/"), "nonsense")


def test_a_key_that_is_deleted_while_the_form_is_open_is_an_error_on_the_key(
    client: Client, search: Endpoint, make_key: MakeKey
) -> None:
    make_key("another").delete()

    response = client.post("/endpoints/search/edit/", edited(search, api_key="another"))

    assert response.status_code == 422
    assert set(errors_in(response)) == {"routes-0-api_key"}
