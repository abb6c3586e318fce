"""Endpoints in the admin, with their routes on the same page."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from endpoints.models import Endpoint, Route
from gatewayproject.accounts.models import AuditEvent
from tests.admin_forms import SignIn, endpoint_form, queries_of
from tests.conftest import MakeEndpoint, MakeKey

LIST = "/admin/endpoints/endpoint/"
ADD = f"{LIST}add/"


def page_of(endpoint: Endpoint) -> str:
    return f"{LIST}{endpoint.pk}/change/"


def stored_route(endpoint: Endpoint, **changes: Any) -> dict[str, Any]:
    route = endpoint.routes.get()
    values = {"id": route.pk, "endpoint": endpoint.pk, "model": route.model}
    return values | {"api_key": str(route.api_key_id or "")} | changes


def errors_of(response: Any) -> str:
    return str(response.context["errors"])


def test_an_endpoint_is_created_with_its_routes_in_one_act(
    client: Client, make_key: MakeKey
) -> None:
    first, second = make_key("first"), make_key("second")
    routes = (
        {"api_key": first.pk, "model": "gpt-5-mini"},
        {"api_key": second.pk, "model": "gpt-5", "kind": "fallback"},
    )

    response = client.post(ADD, endpoint_form(None, *routes, name="search"))

    assertRedirects(response, LIST)
    endpoint = Endpoint.objects.get()
    assert [route.api_key for route in endpoint.routes.all()] == [first, second]
    assert endpoint.created_by == "kim"
    event = AuditEvent.objects.about(endpoint).get()
    assert (event.act, event.channel) == ("created", "admin")
    assert event.fields == ["description", "enabled", "name", "routes", "sticky"]


def test_a_change_moves_the_revision_and_writes_one_event(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    other = make_key("other")
    route = stored_route(endpoint, api_key=other.pk)

    client.post(page_of(endpoint), endpoint_form(endpoint, route, name="find", enabled=""))

    changed = Endpoint.objects.get()
    assert (changed.name, changed.enabled, changed.rev) == ("find", False, endpoint.rev + 1)
    assert changed.updated_at > endpoint.updated_at
    assert changed.routes.get().api_key == other
    event = AuditEvent.objects.about(endpoint).get(act="edited")
    assert (event.channel, event.fields) == ("admin", ["enabled", "name", "routes"])
    assert LogEntry.objects.get().get_change_message() == "Changed enabled, name and routes."


def test_a_change_of_routes_alone_counts(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    endpoint = make_endpoint("search", key)
    routes = (stored_route(endpoint, DELETE="on"), {"api_key": key.pk, "model": "gpt-6"})

    client.post(page_of(endpoint), endpoint_form(endpoint, *routes))

    assert endpoint.routes.get().model == "gpt-6"
    assert Endpoint.objects.get().rev == endpoint.rev + 1
    assert AuditEvent.objects.about(endpoint).get(act="edited").fields == ["routes"]
    assert "gpt-6" not in LogEntry.objects.get().change_message


def test_saving_without_a_change_writes_no_event(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())

    client.post(page_of(endpoint), endpoint_form(endpoint, stored_route(endpoint)))

    assert Endpoint.objects.get().rev == endpoint.rev
    assert not AuditEvent.objects.about(endpoint).filter(act="edited").exists()


def test_the_second_editor_sees_a_conflict_and_keeps_the_input(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    route = stored_route(endpoint)
    client.post(page_of(endpoint), endpoint_form(endpoint, route, description="first"))

    late = endpoint_form(endpoint, route, description="second", revision=endpoint.rev)
    response = client.post(page_of(endpoint), late)

    assertContains(response, "while you were editing", status_code=409)
    assertContains(response, "second", status_code=409)
    assert Endpoint.objects.get().description == "first"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Not A Name"}, "lower-case letters"),
        ({"name": "models"}, "is reserved in"),
        ({"name": "taken"}, "already exists"),
        ({"routes-0-weight": "101"}, "less than or equal to 100"),
        ({"routes-0-weight": "-1"}, "greater than or equal to 0"),
        ({"routes-0-position": "-1"}, "greater than or equal to 0"),
        ({"routes-0-position": "9" * 30}, "less than or equal to"),
        ({"routes-0-model": ""}, "required"),
        ({"routes-0-model": "a\nb"}, "Line breaks"),
        ({"routes-0-kind": "other"}, "not one of the available choices"),
        ({"routes-0-api_key": "nonsense"}, "valid"),
        ({"routes-0-api_key": "00000000-0000-0000-0000-000000000000"}, "valid choice"),
        ({"routes-TOTAL_FORMS": "0"}, "at least 1"),
        ({"routes-TOTAL_FORMS": ""}, "at least 1"),
        ({"routes-TOTAL_FORMS": "100000"}, "at most"),
        ({"description": "\u202e"}, "direction-changing"),
    ],
)
def test_what_the_models_refuse_is_an_error_and_nothing_is_saved(
    client: Client,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    wrong: dict[str, str],
    message: str,
) -> None:
    key = make_key()
    make_endpoint("taken", key)

    data = endpoint_form(None, {"api_key": key.pk, "model": "gpt-5"}, **wrong)
    response = client.post(ADD, data)

    assert response.status_code == 422
    assert message in errors_of(response)
    assert Endpoint.objects.count() == 1


def test_a_forged_number_of_routes_makes_no_endless_page(client: Client, make_key: MakeKey) -> None:
    data = endpoint_form(None, {"api_key": make_key().pk, "model": "gpt-5"})

    response = client.post(ADD, data | {"routes-TOTAL_FORMS": "100000"})

    assertContains(response, 'name="routes-39-model"', status_code=422)
    assertNotContains(response, 'name="routes-40-model"', status_code=422)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"weight": 50}, {"weight": 30}, "The weights of the primary routes add up to 80."),
        ({}, {}, "add up to 200. Make them 100."),
        ({"weight": 80}, {"kind": "fallback"}, "add up to 80. Make them 100."),
        ({}, {"kind": "fallback", "model": "gpt-5"}, "my-openai-key with gpt-5 is listed twice."),
        ({"kind": "fallback"}, {"kind": "fallback"}, "Add a primary route"),
    ],
)
def test_routes_have_to_make_sense_together(
    client: Client,
    make_key: MakeKey,
    first: dict[str, Any],
    second: dict[str, Any],
    message: str,
) -> None:
    key = make_key()
    one, two = {"api_key": key.pk, "model": "gpt-5"}, {"api_key": key.pk, "model": "gpt-6"}

    response = client.post(ADD, endpoint_form(None, one | first, two | second, name="search"))

    assert response.status_code == 422
    assert message in errors_of(response)
    assert not Endpoint.objects.exists()


def test_a_route_that_is_removed_does_not_count(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    endpoint = make_endpoint("search", key)
    going = stored_route(endpoint, DELETE="on", model="")

    shares = [{"api_key": key.pk, "model": model, "weight": 50} for model in ("a", "b")]
    client.post(page_of(endpoint), endpoint_form(endpoint, going, *shares))

    assert [(route.model, route.weight) for route in endpoint.routes.all()] == [
        ("a", 50),
        ("b", 50),
    ]


def test_a_route_of_another_endpoint_is_out_of_reach(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key()
    mine, theirs = make_endpoint("mine", key), make_endpoint("theirs", key)
    foreign = stored_route(theirs, model="hijacked") | {"endpoint": mine.pk}

    client.post(page_of(mine), endpoint_form(mine, foreign))

    assert mine.routes.count() == 1
    assert theirs.routes.get().model == "gpt-5-mini"


def test_an_endpoint_is_deleted_after_one_confirmation(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    url = f"{LIST}{endpoint.pk}/delete/"
    assertContains(client.get(url), "Are you sure")

    client.post(url, {"post": "yes"})

    assert not Endpoint.objects.exists()
    assert not Route.objects.exists()
    assert AuditEvent.objects.about(endpoint).get(act="deleted").channel == "admin"


def test_nothing_is_done_to_endpoints_in_bulk(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    bulk = {"action": "delete_selected", "_selected_action": [endpoint.pk], "post": "yes"}

    assertNotContains(client.get(LIST), "delete_selected")
    client.post(LIST, bulk)

    assert Endpoint.objects.exists()


def test_the_list_asks_the_database_as_often_for_many_endpoints_as_for_one(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("endpoint-0", make_key("key-0"))
    few = queries_of(client, LIST)
    for number in range(1, 9):
        make_endpoint(f"endpoint-{number}", make_key(f"key-{number}"))

    assert queries_of(client, LIST) == few


def test_endpoints_are_found_by_name_and_status(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", make_key())
    make_endpoint("summary", make_key("other"), enabled=False)

    for query in ("q=EARC", "state=active"):
        response = client.get(f"{LIST}?{query}")

        assertContains(response, ">search<")
        assertNotContains(response, ">summary<")


def test_a_page_with_routes_offers_no_list_of_all_keys(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key("used"))
    make_key("unused")

    assertNotContains(client.get(page_of(endpoint)), "unused")

    found = client.get(
        "/admin/autocomplete/?app_label=endpoints&model_name=route&field_name=api_key&term=NUS"
    )
    assert [item["text"] for item in found.json()["results"]] == ["unused"]


def test_who_may_change_endpoints_may_change_their_routes(
    sign_in: SignIn, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    editor = sign_in("change_endpoint")

    changed = stored_route(endpoint, model="gpt-6")
    editor.post(page_of(endpoint), endpoint_form(endpoint, changed))

    assert endpoint.routes.get().model == "gpt-6"
    assert editor.get(ADD).status_code == 403
    assert editor.get(f"{LIST}{endpoint.pk}/delete/").status_code == 403


def test_a_viewer_sees_routes_and_changes_nothing(
    sign_in: SignIn, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    viewer = sign_in("view_endpoint")

    assertContains(viewer.get(page_of(endpoint)), "gpt-5-mini")
    changed = stored_route(endpoint, model="gpt-6")
    assert viewer.post(page_of(endpoint), endpoint_form(endpoint, changed)).status_code == 403


def test_the_history_shows_acts_of_every_channel(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("search", make_key())
    client.post(page_of(endpoint), endpoint_form(endpoint, stored_route(endpoint), description="x"))

    response = client.get(f"{LIST}{endpoint.pk}/history/")

    assertContains(response, "Web, 192.0.2.7")
    assertContains(response, "Admin, 127.0.0.1")
