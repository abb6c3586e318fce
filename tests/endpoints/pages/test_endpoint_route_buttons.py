"""Buttons that add, move and remove routes, as a browser without scripts presses them."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import AuthScheme
from endpoints.models import Endpoint, Route
from tests.browsing import errors_in, html_of, inputs_of, new_key
from tests.route_forms import EDIT, NEW, form, routes_of, row, typed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("three_keys")]


def press(client: Client, url: str, button: str, data: dict[str, Any]) -> HttpResponse:
    response = client.post(url, data | {button: "1"})
    assert response.status_code == 200, button
    return response


def test_a_form_with_one_route_asks_for_no_more_than_it_needs(client: Client) -> None:
    page = client.get(NEW)

    assert not {"routes-0-weight", "routes-1-model", "remove_0"} & set(inputs_of(page))
    assertContains(page, "Add a route or fallback")
    assertNotContains(page, "Primary route")


def test_routes_are_added_with_what_was_typed_still_there_and_nothing_is_saved(
    client: Client,
) -> None:
    data = form(row(0, "openai", "gpt & co"), name="Not yet A Name", description="Kept\ntoo")

    page = press(client, NEW, "add_fallback", data)
    page = press(client, NEW, "add_primary", {**typed(page), "routes-1-model": "sonnet"})

    inputs = inputs_of(page)
    assert (inputs["name"], inputs["routes-0-model"], inputs["routes-0-api_key"]) == (
        "Not yet A Name", "gpt & co", "openai",
    )  # fmt: skip
    assert (inputs["routes-0-weight"], inputs["routes-1-weight"], inputs["routes-1-model"]) == (
        "50",
        "50",
        "",
    )
    assert (inputs["routes-2-kind"], inputs["routes-2-model"]) == ("fallback", "sonnet")
    assert not errors_in(page)
    assertContains(page, "Primary route 2 added.")
    assertContains(page, ' autofocus id="id_routes-1-model"')
    assert (
        html_of(page).partition('id="panel"')[2].partition("</section>")[0].count(" autofocus") == 1
    )
    assert not Endpoint.objects.exists()


def test_the_tick_and_the_description_survive_a_button(client: Client) -> None:
    data = form(row(0, "openai", "gpt-5"), description="Zürich\nand more", sticky="on")
    del data["enabled"]

    page = press(client, NEW, "add_primary", data)

    assertContains(page, "Zürich\nand more")
    assert html_of(page).count(" checked") == 1
    assert typed(page)["sticky"] == "on"


def test_a_second_primary_route_does_not_tick_anything(client: Client) -> None:
    page = press(client, NEW, "add_primary", typed(client.get(NEW)))

    assert typed(page)["sticky"] == ""


def test_a_new_primary_route_gets_what_is_missing_to_all_the_traffic(client: Client) -> None:
    rows = [row(0, "openai", "gpt-5", weight="50"), row(1, "azure", "gpt-5", weight="30")]

    page = press(client, NEW, "add_primary", form(*rows))
    again = press(client, NEW, "add_primary", typed(page))

    assert inputs_of(page)["routes-2-weight"] == "20"
    assert inputs_of(again)["routes-3-weight"] == "0"


def test_fallbacks_are_moved_and_routes_removed(client: Client, shared: Endpoint) -> None:
    page = press(client, EDIT, "down_2", typed(client.get(EDIT)))
    assert [inputs_of(page)[f"routes-{index}-model"] for index in (2, 3)] == [
        "gpt-5-mini",
        "sonnet",
    ]
    assertContains(page, "This is now the 2nd fallback.")
    assertContains(page, 'aria-label="Move 2nd fallback up" autofocus')

    page = press(client, EDIT, "remove_0", typed(page))
    inputs = inputs_of(page)
    assert (inputs["routes-0-api_key"], "routes-0-weight" in inputs, inputs["routes-1-kind"]) == (
        "azure",
        False,
        "fallback",
    )
    assertContains(page, "Primary route 1 removed.")

    assert shared.routes.count() == 4
    client.post(EDIT, typed(page))
    assert routes_of(shared) == [
        ("primary", "azure", "gpt-5", 100),
        ("fallback", "openai", "gpt-5-mini", 100),
        ("fallback", "claude", "sonnet", 100),
    ]


def test_removing_the_last_fallback_brings_the_simple_form_back(client: Client) -> None:
    rows = [row(0, "openai", "gpt-5"), row(1, "claude", "sonnet", "fallback")]

    page = press(client, NEW, "remove_1", form(*rows))

    assertContains(page, "Add a route or fallback")
    assert "routes-1-model" not in inputs_of(page)
    assertContains(page, 'name="add_fallback" value="1" formnovalidate autofocus')


@pytest.mark.parametrize(
    "button",
    [
        "up_0",
        "down_0",
        "remove_0",
        "up_1",
        "down_1",
        "up_2",
        "remove_8",
        "down_98",
        "up_99",
        "up_",
    ],
)
def test_a_button_that_was_not_offered_does_nothing(client: Client, button: str) -> None:
    rows = [row(0, "openai", "a"), row(1, "claude", "b", "fallback")]

    response = client.post(NEW, form(*rows, **{button: "1"}, name=""))

    assert response.status_code in (200, 422)
    assert [inputs_of(response)[name] for name in ("routes-0-model", "routes-1-model")] == [
        "a",
        "b",
    ]


def test_there_is_no_button_for_a_twenty_first_route(client: Client) -> None:
    rows = [row(0, "openai", "gpt-5")]
    rows += [row(number, "claude", f"model-{number}", "fallback") for number in range(1, 20)]

    page = press(client, NEW, "add_primary", form(*rows))

    assertContains(page, "An endpoint has at most 20 routes.")
    assertContains(page, "20th fallback", count=0)
    assertContains(page, "19th fallback")
    assertNotContains(page, 'name="add_')
    assert "routes-20-model" not in inputs_of(page)


def test_who_may_not_change_endpoints_presses_no_buttons(visitor: Client, shared: Endpoint) -> None:
    for url in (NEW, EDIT):
        assert visitor.post(url, {"add_primary": "1"}).status_code == 403


def test_the_first_button_of_the_form_saves_because_enter_presses_it(client: Client) -> None:
    html = html_of(client.get(NEW))

    form_html = html[html.index('hx-post="/endpoints/new/"') :]
    first = form_html[form_html.index("<button") :]
    assert "name=" not in first[: first.index(">")]


# --- Keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [NEW, EDIT])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_key_is_created_for_any_route_and_everything_typed_is_kept(
    client: Client, shared: Endpoint, openai: AuthScheme, url: str, index: int
) -> None:
    rows = [
        row(0, "openai", "gpt & co", weight="60"),
        row(1, "azure", "", weight="30"),
        row(2, "claude", "sonnet", "fallback"),
        row(3, "", "", "fallback"),
    ]
    data = form(*rows, name="typed", rev=str(shared.rev), create_key=str(index))

    away = client.post(url, data)
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, "fresh & new", next=back))
    target = response.headers["Location"]
    inputs = inputs_of(client.get(target))

    assert urlsplit(target).path == url
    assert parse_qs(urlsplit(target).query)["routes-2-model"] == ["sonnet"]
    names = [inputs[f"routes-{number}-api_key"] for number in range(4)]
    expected = ["openai", "azure", "claude", ""]
    expected[index] = "fresh & new"
    assert names == expected
    assert (inputs["name"], inputs["routes-0-model"], inputs["routes-1-model"]) == (
        "typed",
        "gpt & co",
        "",
    )
    assert (inputs["routes-0-weight"], inputs["routes-1-weight"], inputs["routes-3-kind"]) == (
        "60",
        "30",
        "fallback",
    )


def test_a_route_removed_before_a_key_was_created_stays_removed(
    client: Client, shared: Endpoint, openai: AuthScheme
) -> None:
    page = client.post(EDIT, typed(client.get(EDIT)) | {"remove_3": "1"})

    away = client.post(EDIT, typed(page) | {"create_key": "2"})
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, "fresh", next=back))
    page = client.get(response.headers["Location"])

    assert "routes-3-model" not in inputs_of(page)
    client.post(EDIT, typed(page))
    assert [name for _, name, _, _ in routes_of(shared)] == ["openai", "azure", "fresh"]


@pytest.mark.parametrize("number", ["", "0", "x", "\0", "99", "٣", "9" * 5000])
def test_whichever_route_the_key_is_said_to_be_for_there_is_a_page(
    client: Client, number: str
) -> None:
    response = client.post(NEW, form(row(0, "openai", "gpt-5"), create_key=number))

    assert client.get(response.headers["Location"]).status_code == 200
    query = {"key_for": number, "routes-0-kind": "y", "created_key": number}
    assert client.get(NEW, query).status_code == 200


def test_a_form_keeps_its_keys_if_its_user_comes_back_without_a_new_one(
    client: Client, shared: Endpoint
) -> None:
    rows = [row(0, "openai", "gpt-5"), row(1, "azure", "gpt-6", "fallback")]

    away = client.post(NEW, form(*rows, create_key="1"))
    back = parse_qs(urlsplit(away.headers["Location"]).query)["next"][0]
    inputs = inputs_of(client.get(back))

    assert (inputs["routes-0-api_key"], inputs["routes-1-api_key"]) == ("openai", "azure")


def test_a_key_that_is_gone_by_then_fills_nothing(client: Client) -> None:
    query = {"key_for": "1", "model": "gpt-5", "created_key": str(uuid4())}

    assert inputs_of(client.get(NEW, query))["routes-0-api_key"] == ""


def test_every_route_asks_for_suggestions_by_the_name_of_the_first(client: Client) -> None:
    """So the buttons of an unsaved form need only what was entered."""
    rows = [row(0, "openai", "gpt-5"), row(1, "", "", "fallback")]

    page = html_of(press(client, NEW, "add_fallback", form(*rows)))

    assert page.count('data-remote="api_key"') == 3
    suggested = html_of(client.get(f"{NEW}?api_key=clau"))
    assert re.search(
        r'<datalist id="id_routes-0-api_key-options">\s*<option value="claude"', suggested
    )


def test_the_form_of_many_routes_asks_the_database_about_each_once(
    client: Client, shared: Endpoint
) -> None:
    with CaptureQueriesContext(connection) as few:
        client.get(EDIT)
    for number in range(4, 20):
        Route.objects.create(endpoint=shared, model="m", kind="fallback", position=number, weight=1)
    with CaptureQueriesContext(connection) as many:
        client.get(EDIT)

    assert len(many) - len(few) == 16
