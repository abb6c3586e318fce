"""Creating an endpoint."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import ApiKey, AuthScheme
from endpoints.models import Endpoint
from gatewayproject.accounts.models import AuditEvent
from tests import route_forms
from tests.browsing import errors_in, html_of, inputs_of, messages_after, new_key
from tests.conftest import MakeEndpoint, MakeKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(make_key: MakeKey) -> ApiKey:
    return make_key("my-openai-key")


def form(*, model: str = "gpt-5-mini", api_key: str = "my-openai-key", **changes: Any) -> Any:
    """Return what the form of a new endpoint posts."""
    return route_forms.form(route_forms.row(0, api_key, model), **changes)


def test_an_endpoint_is_created(client: Client, key: ApiKey) -> None:
    response = client.post("/endpoints/new/", form(name=" search ", api_key=" MY-OpenAI-key "))

    assert response.headers["Location"] == "/endpoints/search/"
    assert messages_after(client, response) == ["Created search."]
    endpoint = Endpoint.objects.get()
    assert (endpoint.name, endpoint.enabled, endpoint.created_by) == ("search", True, "kim")
    assert endpoint.routes.first().api_key == key
    event = AuditEvent.objects.about(endpoint).get()
    assert (event.actor, event.act, event.channel) == ("kim", "created", "page")


def test_an_unticked_box_makes_a_disabled_one(client: Client, key: ApiKey) -> None:
    data = form()
    del data["enabled"]

    client.post("/endpoints/new/", data)

    assert Endpoint.objects.get().enabled is False


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Search"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "é"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "new"}, "name"),
        ({"name": "v1"}, "name"),
        ({"name": "taken"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": "<b>"}, "name"),
        ({"name": "x" * 400_000}, "name"),
        ({"model": ""}, "routes-0-model"),
        ({"model": "a\nb"}, "routes-0-model"),
        ({"model": "a\0b"}, "routes-0-model"),
        ({"model": "a\u202eb"}, "routes-0-model"),
        ({"model": "x" * 201}, "routes-0-model"),
        ({"api_key": ""}, "routes-0-api_key"),
        ({"api_key": "my-openai"}, "routes-0-api_key"),
        ({"api_key": "a\0b"}, "routes-0-api_key"),
        ({"api_key": "x" * 60_000}, "routes-0-api_key"),
        ({"api_key": "%_\\"}, "routes-0-api_key"),
        ({"description": "x" * 1001}, "description"),
        ({"description": "a\u200bb"}, "description"),
        ({"description": "a\0b"}, "description"),
    ],
)
def test_an_error_is_shown_at_its_input(
    client: Client, make_endpoint: MakeEndpoint, changes: dict[str, str], field: str
) -> None:
    make_endpoint("taken", ApiKey.objects.get())

    response = client.post("/endpoints/new/", form(**changes))

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert Endpoint.objects.count() == 1


@pytest.mark.usefixtures("key")
def test_what_was_typed_is_still_there_after_an_error(client: Client) -> None:
    response = client.post("/endpoints/new/", form(name="", model="kept", description="Kept too"))

    inputs = inputs_of(response)
    assert (inputs["routes-0-model"], inputs["routes-0-api_key"]) == ("kept", "my-openai-key")
    assertContains(response, "Kept too", status_code=422)


def test_every_error_is_shown_at_once(client: Client) -> None:
    response = client.post("/endpoints/new/", form(name="", model="", api_key="nonsense"))

    assert set(errors_in(response)) == {"name", "routes-0-model", "routes-0-api_key"}


def test_a_key_of_that_name_may_have_quotes_and_html_in_it(
    client: Client, make_key: MakeKey
) -> None:
    name = """Kim's "best" <b>key</b> & 🔑"""
    make_key(name)

    page = client.get("/endpoints/new/", {"api_key": name})
    client.post("/endpoints/new/", form(api_key=inputs_of(page)["routes-0-api_key"]))

    assert Endpoint.objects.get().routes.first().api_key.name == name


# --- Choosing a key ------------------------------------------------------------------------------


def test_keys_are_suggested_by_what_is_typed_so_far(client: Client, make_key: MakeKey) -> None:
    for name in ("alpha", "beta", "ALPHABET"):
        make_key(name)

    page = html_of(client.get("/endpoints/new/?api_key=lpha"))

    assert '<option value="alpha"' in page
    assert '<option value="ALPHABET"' in page
    assert '<option value="beta"' not in page


@pytest.mark.parametrize("typed", ["%00", "%ff", "%25", "_", "x" * 500, "%F0%9F%94%91", "<b>"])
def test_whatever_is_typed_so_far_there_is_a_page(client: Client, typed: str) -> None:
    assert client.get(f"/endpoints/new/?api_key={typed}").status_code == 200


def test_no_more_than_fifty_keys_are_suggested(client: Client, make_key: MakeKey) -> None:
    for number in range(53):
        make_key(f"key {number:02}")

    assert html_of(client.get("/endpoints/new/")).count("<option value=") == 50


def test_a_key_is_created_on_the_way_and_what_was_typed_is_kept(
    client: Client, openai: AuthScheme
) -> None:
    typed = form(name="search", model="gpt & co", description="Zürich\nand more", api_key="")

    away = client.post("/endpoints/new/", {**typed, "create_key": "0"})
    assert away.headers["Location"].startswith("/api-keys/new/?next=")
    assert not Endpoint.objects.exists()
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, "fresh & new", next=back))

    target = response.headers["Location"]
    assert urlsplit(target).path == "/endpoints/new/"
    assert parse_qs(urlsplit(target).query)["description"] == ["Zürich\nand more"]
    inputs = inputs_of(client.get(target))
    assert (inputs["name"], inputs["routes-0-model"], inputs["routes-0-api_key"]) == (
        "search",
        "gpt & co",
        "fresh & new",
    )


def test_an_endpoint_that_was_to_be_disabled_stays_so_while_a_key_is_created(
    client: Client, openai: AuthScheme
) -> None:
    typed = form(create_key="0")
    del typed["enabled"]

    away = client.post("/endpoints/new/", typed)
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, next=back))

    assertNotContains(client.get(response.headers["Location"]), " checked")


def test_unknown_fields_change_nothing(client: Client, key: ApiKey) -> None:
    client.post("/endpoints/new/", form(rev="7", created_by="eve", id="5"))

    endpoint = Endpoint.objects.get()
    assert (endpoint.rev, endpoint.created_by) == (1, "kim")
