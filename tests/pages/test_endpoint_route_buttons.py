"""Buttons that add, move and remove routes, as a browser without scripts presses them."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import AuthScheme
from endpoints.models import Endpoint, Route

from .browsing import errors_in, html_of, inputs_of, new_key
from .typing_routes import EDIT, NEW, form, routes_of, row, typed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("three_keys")]


def press(client: Client, url: str, button: str, data: dict[str, Any]) -> HttpResponse:
    response = client.post(url, data | {button: "1"})
    assert response.status_code == 200, button
    return response


def test_a_form_with_one_route_asks_for_no_more_than_it_needs(client: Client) -> None:
    page = client.get(NEW)

    assert not {"weight", "model_2", "remove_1"} & set(inputs_of(page))
    assertContains(page, "Add a route or fallback")
    assertNotContains(page, "Primary route")


def test_routes_are_added_with_what_was_typed_still_there_and_nothing_is_saved(
    client: Client,
) -> None:
    data = form(row(1, "openai", "gpt & co"), name="Not yet A Name", description="Kept\ntoo")

    page = press(client, NEW, "add_fallback", data)
    page = press(client, NEW, "add_primary", {**typed(page), "model_2": "sonnet"})

    inputs = inputs_of(page)
    assert (inputs["name"], inputs["model"], inputs["api_key"]) == (
        "Not yet A Name", "gpt & co", "openai",
    )  # fmt: skip
    assert (inputs["weight"], inputs["weight_2"], inputs["model_2"]) == ("50", "50", "")
    assert (inputs["kind_3"], inputs["model_3"]) == ("fallback", "sonnet")
    assert not errors_in(page)
    assertContains(page, "Primary route 2 added.")
    assertContains(page, ' autofocus id="id_model_2"')
    assert html_of(page).count(" autofocus") == 1
    assert not Endpoint.objects.exists()


def test_the_tick_and_the_description_survive_a_button(client: Client) -> None:
    data = form(row(1, "openai", "gpt-5"), description="Zürich\nand more")
    del data["enabled"]

    page = press(client, NEW, "add_fallback", data)

    assertContains(page, "Zürich\nand more")
    assertNotContains(page, " checked")


def test_a_new_primary_route_gets_what_is_missing_to_all_the_traffic(client: Client) -> None:
    rows = [row(1, "openai", "gpt-5", weight="50"), row(2, "azure", "gpt-5", weight="30")]

    page = press(client, NEW, "add_primary", form(*rows))
    again = press(client, NEW, "add_primary", typed(page))

    assert inputs_of(page)["weight_3"] == "20"
    assert inputs_of(again)["weight_4"] == "0"


def test_fallbacks_are_moved_and_routes_removed(client: Client, shared: Endpoint) -> None:
    page = press(client, EDIT, "down_3", typed(client.get(EDIT)))
    assert [inputs_of(page)[f"model_{number}"] for number in (3, 4)] == ["gpt-5-mini", "sonnet"]
    assertContains(page, "It is the 2nd fallback now.")
    assertContains(page, 'aria-label="Move 2nd fallback up" autofocus')

    page = press(client, EDIT, "remove_1", typed(page))
    inputs = inputs_of(page)
    assert (inputs["api_key"], "weight" in inputs, inputs["kind_2"]) == ("azure", False, "fallback")
    assertContains(page, "Primary route 1 removed.")

    assert shared.routes.count() == 4
    client.post(EDIT, typed(page))
    assert routes_of(shared) == [
        ("primary", "azure", "gpt-5", 100),
        ("fallback", "openai", "gpt-5-mini", 100),
        ("fallback", "claude", "sonnet", 100),
    ]


def test_removing_the_last_fallback_brings_the_simple_form_back(client: Client) -> None:
    rows = [row(1, "openai", "gpt-5"), row(2, "claude", "sonnet", "fallback")]

    page = press(client, NEW, "remove_2", form(*rows))

    assertContains(page, "Add a route or fallback")
    assert "model_2" not in inputs_of(page)
    assertContains(page, 'name="add_fallback" value="1" formnovalidate autofocus')


@pytest.mark.parametrize(
    "button",
    [
        "up_1",
        "down_1",
        "remove_1",
        "up_2",
        "down_2",
        "up_3",
        "remove_9",
        "down_99",
        "up_100",
        "up_",
    ],
)
def test_a_button_that_was_not_offered_does_nothing(client: Client, button: str) -> None:
    rows = [row(1, "openai", "a"), row(2, "claude", "b", "fallback")]

    response = client.post(NEW, form(*rows, **{button: "1"}, name=""))

    assert response.status_code in (200, 422)
    assert [inputs_of(response)[name] for name in ("model", "model_2")] == ["a", "b"]


def test_there_is_no_button_for_a_twenty_first_route(client: Client) -> None:
    rows = [row(1, "openai", "gpt-5")]
    rows += [row(number, "claude", f"model-{number}", "fallback") for number in range(2, 21)]

    page = press(client, NEW, "add_primary", form(*rows))

    assertContains(page, "An endpoint has at most 20 routes.")
    assertContains(page, "20th fallback", count=0)
    assertContains(page, "19th fallback")
    assertNotContains(page, 'name="add_')
    assert "model_21" not in inputs_of(page)


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
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_key_is_created_for_any_route_and_everything_typed_is_kept(
    client: Client, shared: Endpoint, openai: AuthScheme, url: str, number: int
) -> None:
    rows = [
        row(1, "openai", "gpt & co", weight="60"),
        row(2, "azure", "", weight="30"),
        row(3, "claude", "sonnet", "fallback"),
        row(4, "", "", "fallback"),
    ]
    data = form(*rows, name="typed", rev=str(shared.rev), create_key=str(number))

    away = client.post(url, data)
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, "fresh & new", next=back))
    target = response.headers["Location"]
    inputs = inputs_of(client.get(target))

    assert urlsplit(target).path == url
    assert parse_qs(urlsplit(target).query)["model_3"] == ["sonnet"]
    names = [inputs["api_key"], *(inputs[f"api_key_{number}"] for number in (2, 3, 4))]
    expected = ["openai", "azure", "claude", ""]
    expected[number - 1] = "fresh & new"
    assert names == expected
    assert (inputs["name"], inputs["model"], inputs["model_2"]) == ("typed", "gpt & co", "")
    assert (inputs["weight"], inputs["weight_2"], inputs["kind_4"]) == ("60", "30", "fallback")


def test_a_route_removed_before_a_key_was_created_stays_removed(
    client: Client, shared: Endpoint, openai: AuthScheme
) -> None:
    page = client.post(EDIT, typed(client.get(EDIT)) | {"remove_4": "1"})

    away = client.post(EDIT, typed(page) | {"create_key": "3"})
    back = inputs_of(client.get(away.headers["Location"]))["next"]
    response = client.post("/api-keys/new/", new_key(openai, "fresh", next=back))
    page = client.get(response.headers["Location"])

    assert "model_4" not in inputs_of(page)
    client.post(EDIT, typed(page))
    assert [name for _, name, _, _ in routes_of(shared)] == ["openai", "azure", "fresh"]


@pytest.mark.parametrize("number", ["", "0", "x", "\0", "99", "٣", "9" * 5000])
def test_whichever_route_the_key_is_said_to_be_for_there_is_a_page(
    client: Client, number: str
) -> None:
    response = client.post(NEW, form(row(1, "openai", "gpt-5"), create_key=number))

    assert client.get(response.headers["Location"]).status_code == 200
    assert client.get(NEW, {"key_for": number, "api_key": "x", "kind": "y"}).status_code == 200


def test_every_route_asks_for_suggestions_by_the_name_of_the_first(client: Client) -> None:
    """So a form that nobody has saved needs nothing but what is typed to be answered."""
    rows = [row(1, "openai", "gpt-5"), row(2, "", "", "fallback")]

    page = html_of(press(client, NEW, "add_fallback", form(*rows)))

    assert page.count('data-remote="api_key"') == 3
    assert '<datalist id="id_api_key-options"><option value="claude"' in html_of(
        client.get(f"{NEW}?api_key=clau")
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
