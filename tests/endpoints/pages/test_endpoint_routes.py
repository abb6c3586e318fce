"""Several routes of an endpoint: shares of the traffic, and fallbacks."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, inputs_of, messages_after, rows_of, text_of
from tests.conftest import MakeEndpoint
from tests.route_forms import EDIT, NEW, form, routes_of, row, typed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("three_keys")]


# --- Saving --------------------------------------------------------------------------------------


def test_an_endpoint_is_created_with_shares_and_fallbacks(client: Client) -> None:
    data = form(
        row(0, "openai", "gpt-5", weight="80"),
        row(1, "azure", "gpt-5", weight="20"),
        row(2, "claude", "sonnet", "fallback"),
        row(3, "openai", "gpt-5-mini", "fallback"),
    )

    response = client.post(NEW, data)

    assert messages_after(client, response) == ["Created search."]
    endpoint = Endpoint.objects.get()
    assert routes_of(endpoint) == [
        ("primary", "openai", "gpt-5", 80),
        ("primary", "azure", "gpt-5", 20),
        ("fallback", "claude", "sonnet", 100),
        ("fallback", "openai", "gpt-5-mini", 100),
    ]
    assert AuditEvent.objects.about(endpoint).get().fields == [
        "description", "enabled", "name", "routes", "sticky",
    ]  # fmt: skip


def test_conversations_are_kept_on_one_route_where_traffic_is_shared(client: Client) -> None:
    rows = [row(0, "openai", "gpt-5", weight="80"), row(1, "azure", "gpt-5", weight="20")]

    client.post(NEW, form(*rows, sticky="on"))

    assert Endpoint.objects.get().sticky
    assertContains(client.get("/endpoints/search/"), "Each conversation stays on one route.")
    assert typed(client.get(EDIT))["sticky"] == "on"
    assert not typed(client.get(NEW))["sticky"]


@pytest.mark.parametrize("weight", ["", "7", "x", "\0"])
def test_a_single_primary_route_takes_all_the_traffic(client: Client, weight: str) -> None:
    fallback = row(1, "claude", "sonnet", "fallback", weight="7")

    client.post(NEW, form(row(0, "openai", "gpt-5", weight=weight), fallback))

    assert [route.weight for route in Route.objects.all()] == [100, 100]


@pytest.mark.parametrize(
    ("weights", "field", "message"),
    [
        (("50", "30"), "", "The weights of the primary routes add up to 80. Make them 100."),
        (("100", "100"), "", "add up to 200. Make them 100."),
        (("0", "0"), "", "add up to 0. Make them 100."),
        (("100", ""), "routes-1-weight", "Enter a weight."),
        (("x", "50"), "routes-0-weight", "whole number"),
        (("1.5", "50"), "routes-0-weight", "whole number"),
        (("101", "-1"), "routes-0-weight", "less than or equal to 100"),
        (("100", "9" * 5000), "routes-1-weight", ""),
        (("100", "\0"), "routes-1-weight", ""),
    ],
)
def test_weights_that_are_no_shares_of_all_the_traffic_are_refused(
    client: Client, weights: tuple[str, str], field: str, message: str
) -> None:
    rows = [
        row(0, "openai", "gpt-5", weight=weights[0]),
        row(1, "azure", "gpt-5", weight=weights[1]),
    ]

    response = client.post(NEW, form(*rows))

    assert response.status_code == 422
    assert message in errors_in(response)[field]
    assert not Endpoint.objects.exists()


def test_a_route_may_wait_with_a_weight_of_nothing(client: Client) -> None:
    rows = [row(0, "openai", "gpt-5", weight="100"), row(1, "azure", "gpt-5", weight=" 0 ")]

    client.post(NEW, form(*rows))

    assert [route.weight for route in Route.objects.all()] == [100, 0]


@pytest.mark.parametrize("kind", ["primary", "fallback"])
def test_the_same_key_and_model_are_not_listed_twice(client: Client, kind: str) -> None:
    rows = [
        row(0, "openai", "gpt-5", weight="50"),
        row(1, "OPENAI", " gpt-5 ", kind, weight="50"),
    ]

    response = client.post(NEW, form(*rows))

    assert errors_in(response) == {"": "openai with gpt-5 is listed twice. Keep one of them."}


def test_errors_are_shown_beside_their_route(client: Client) -> None:
    rows = [
        row(0, "openai", "gpt-5", weight="50"),
        row(1, "nonsense", "a\nb", weight="50"),
        row(2, "", "", "fallback"),
    ]

    response = client.post(NEW, form(*rows, name="Not A Name"))

    found = errors_in(response)
    assert set(found) == {
        "name",
        "routes-1-model",
        "routes-1-api_key",
        "routes-2-model",
        "routes-2-api_key",
    }
    assert found["routes-2-api_key"] == "Choose an API key, or create one."
    assert inputs_of(response)["routes-1-weight"] == "50"


def test_twenty_routes_are_saved_and_more_are_refused(client: Client) -> None:
    rows = [row(0, "openai", "gpt-5")]
    rows += [row(number, "claude", f"model-{number}", "fallback") for number in range(1, 22)]

    response = client.post(NEW, form(*rows))

    assert errors_in(response) == {"": "An endpoint has at most 20 routes. Remove 2."}
    assert client.post(NEW, form(*rows[:20])).status_code == 302
    assert Route.objects.count() == 20


@pytest.mark.parametrize(
    "strange",
    [
        {"routes-0-kind": "fallback", "routes-1-kind": "fallback"},
        {"routes-0-kind": "nonsense", "routes-1-kind": "\0"},
        {"routes-1-route": "\0"},
        {"routes-1-route": "9" * 30},
        {"routes-98-model": "x"},
        {"routes-x-model": "x", "routes--1-model": "x", "routes-٣-model": "x", "model_2": "x"},
        *({"routes-TOTAL_FORMS": total} for total in ("", "0", "1", "-1", "x", "51", "9" * 5000)),
        *({"routes-INITIAL_FORMS": initial} for initial in ("", "2", "-1", "x", "9" * 5000)),
    ],
)
def test_whatever_else_is_posted_the_page_answers(client: Client, strange: dict[str, str]) -> None:
    rows = [row(0, "openai", "gpt-5"), row(1, "claude", "sonnet", "fallback")]

    response = client.post(NEW, form(*rows, **strange))

    assert response.status_code in (302, 422)


# --- Editing -------------------------------------------------------------------------------------


def test_the_form_shows_every_route(client: Client, shared: Endpoint) -> None:
    page = client.get(EDIT)

    inputs = inputs_of(page)
    assert [inputs[f"routes-0-{name}"] for name in ("model", "api_key", "weight")] == [
        "gpt-5",
        "openai",
        "70",
    ]
    assert [inputs[f"routes-1-{name}"] for name in ("model", "api_key", "weight")] == [
        "gpt-5", "azure", "30",
    ]  # fmt: skip
    assert [inputs[f"routes-2-{name}"] for name in ("kind", "api_key")] == ["fallback", "claude"]
    assert "routes-2-weight" not in inputs
    assert "100 of 100%" in text_of(page)


def test_saving_the_page_as_it_is_changes_nothing(client: Client, shared: Endpoint) -> None:
    response = client.post(EDIT, typed(client.get(EDIT)))

    assert messages_after(client, response) == ["Nothing was changed in search."]


@pytest.mark.parametrize(
    "changes",
    [
        {"routes-0-weight": "60", "routes-1-weight": "40"},
        {"routes-3-model": "gpt-6"},
        {"routes-2-api_key": "azure"},
        {"routes-1-kind": "fallback"},
    ],
)
def test_what_was_changed_in_the_routes_is_one_word_of_the_event(
    client: Client, shared: Endpoint, changes: dict[str, str]
) -> None:
    client.post(EDIT, typed(client.get(EDIT)) | changes)

    assert AuditEvent.objects.about(shared).get(act="edited").fields == ["routes"]
    assert Endpoint.objects.get().rev == shared.rev + 1


def test_a_route_keeps_its_identity_when_it_is_changed_or_moved(
    client: Client, shared: Endpoint
) -> None:
    before = list(shared.routes.values_list("pk", flat=True))
    moved = typed(client.post(EDIT, typed(client.get(EDIT)) | {"up_3": "1"}))

    client.post(EDIT, moved | {"routes-0-model": "gpt-6"})

    after = list(shared.routes.values_list("pk", flat=True))
    assert after == [before[0], before[1], before[3], before[2]]


def test_a_route_of_another_endpoint_is_out_of_reach(
    client: Client, shared: Endpoint, make_endpoint: MakeEndpoint, three_keys: dict[str, ApiKey]
) -> None:
    theirs = make_endpoint("theirs", three_keys["openai"]).routes.first()

    client.post(
        EDIT, typed(client.get(EDIT)) | {"routes-3-route": str(theirs.pk), "routes-3-model": "mine"}
    )

    assert Route.objects.get(pk=theirs.pk).model == "gpt-5-mini"
    assert [route.model for route in shared.routes.all()][3] == "mine"


def test_a_route_that_has_lost_its_key_may_stay_so(client: Client, shared: Endpoint) -> None:
    Route.objects.filter(endpoint=shared, model="sonnet").update(api_key=None)

    client.post(EDIT, typed(client.get(EDIT)) | {"description": "Changed"})

    assert Endpoint.objects.get().description == "Changed"
    assert Route.objects.get(model="sonnet").api_key is None


def test_the_second_editor_chooses_whose_routes_are_kept(
    client: Client, member: Client, shared: Endpoint
) -> None:
    mine = typed(client.get(EDIT)) | {"routes-2-model": "opus"}
    theirs = typed(member.post(EDIT, typed(member.get(EDIT)) | {"remove_2": "1"}))
    assert member.post(EDIT, theirs).status_code == 302

    response = client.post(EDIT, mine)

    assert response.status_code == 409
    assert "mia changed Routes while you were editing" in text_of(response)
    assert inputs_of(response)["routes-2-model"] == "opus"
    assert client.post(EDIT, typed(response) | {"choice-routes": ""}).status_code == 409
    chosen = typed(response) | {"choice-routes": "mine"}
    assert client.post(EDIT, chosen).status_code == 302
    models = [route.model for route in shared.routes.all()]
    assert models == ["gpt-5", "gpt-5", "opus", "gpt-5-mini"]


def test_a_key_that_is_deleted_concurrently_is_an_error_on_its_route(
    client: Client, shared: Endpoint, three_keys: dict[str, ApiKey]
) -> None:
    data = typed(client.get(EDIT))
    Route.objects.filter(api_key=three_keys["claude"]).update(api_key=None)
    three_keys["claude"].delete()

    assert set(errors_in(client.post(EDIT, data))) == {"routes-2-api_key"}


def test_primary_routes_that_do_not_add_up_serve_and_are_fixed_in_the_form(
    client: Client, shared: Endpoint
) -> None:
    Route.objects.filter(endpoint=shared, weight=30).update(weight=10)

    assertContains(client.get("/endpoints/search/"), "The weights add up to 80%, not 100%.")
    page = client.get(EDIT)
    assert "80 of 100%" in text_of(page)
    assert errors_in(client.post(EDIT, typed(page)))[""].startswith("The weights of the primary")
    assert client.post(EDIT, typed(page) | {"routes-1-weight": "30"}).status_code == 302
    assertNotContains(client.get("/endpoints/search/"), "add up to")


def test_an_endpoint_with_nothing_but_fallbacks_is_offered_a_primary_route(
    client: Client, shared: Endpoint
) -> None:
    shared.routes.filter(kind="primary").delete()

    page = client.get(EDIT)

    assert inputs_of(page)["routes-0-api_key"] == ""
    assert client.post(EDIT, typed(page) | row(0, "azure", "gpt-5")).status_code == 302
    assert routes_of(shared)[0] == ("primary", "azure", "gpt-5", 100)


# --- Its page ------------------------------------------------------------------------------------


def test_its_page_shows_shares_and_fallbacks_in_their_order(
    client: Client, shared: Endpoint
) -> None:
    ApiKey.objects.filter(name="azure").update(refused_at=timezone.now())

    rows = rows_of(client.get("/endpoints/search/"))

    assert [list(row.values()) for row in rows] == [
        ["Primary 1", "gpt-5", "openai", "O OpenAI", "70%"],
        ["Primary 2", "gpt-5", "azure Refused by provider", "AO Azure OpenAI", "30%"],
        ["1st fallback", "sonnet", "claude", "A Anthropic", "—"],
        ["2nd fallback", "gpt-5-mini", "openai", "O OpenAI", "—"],
    ]
