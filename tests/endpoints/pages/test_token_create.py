"""Creating a gateway token, which is shown once."""

import json
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains

from endpoints.models import Endpoint, GatewayToken
from endpoints.models.gateway_token import digest_of
from gatewayproject.accounts.models import AuditEvent
from tests.browsing import errors_in, html_of, inputs_of, text_of
from tests.conftest import MakeEndpoint, MakeKey, MakeToken

pytestmark = pytest.mark.django_db

URL = "/tokens/new/"


@pytest.fixture(autouse=True)
def endpoints(make_endpoint: MakeEndpoint) -> None:
    for name in ("search", "translate", "off"):
        make_endpoint(name, None, enabled=name != "off")


@pytest.fixture
def many(make_endpoint: MakeEndpoint) -> None:
    """More endpoints than the page lists."""
    for number in range(60):
        make_endpoint(f"endpoint-{number:02}", None)


def form(**changes: Any) -> dict[str, Any]:
    """Return what the form of a new token posts."""
    return {
        "name": "search-service",
        "endpoints": ["search"],
        "expires_at": "90",
        "expires_on": "",
        "seen": "",
        **changes,
    }


def token_in(response: HttpResponse) -> str:
    return re.search(r'<code id="token">(gh_[\w-]{43})</code>', html_of(response))[1]


def days_left() -> float:
    return (GatewayToken.objects.get().expires_at - timezone.now()) / timedelta(days=1)


# --- Shown once ----------------------------------------------------------------------------------


def test_the_token_is_shown_on_the_page_that_answers(client: Client) -> None:
    response = client.post(URL, form(name=" search-service "))

    token = GatewayToken.objects.get()
    assert response.status_code == 201
    assert digest_of(token_in(response)) == token.digest
    assertContains(response, "data-copy", status_code=201)
    assert "Copy the token now. You will not be able to see it again." in text_of(response)
    assert (token.name, token.created_by, token.all_endpoints) == ("search-service", "kim", False)
    assert [endpoint.name for endpoint in token.endpoints.all()] == ["search"]
    event = AuditEvent.objects.about(token).get()
    assert (event.actor, event.act, event.channel) == ("kim", "created", "page")


def test_it_goes_nowhere_else(client: Client) -> None:
    response = client.post(URL, form())
    token = token_in(response)

    assert "no-store" in response.headers["Cache-Control"]
    assert token not in str(response.headers)
    assert token not in str(response.cookies)
    assert not list(get_messages(response.wsgi_request))
    assert token not in str([row.get_decoded() for row in Session.objects.all()])
    pk = GatewayToken.objects.get().pk
    for url in ("/", "/tokens/", f"/tokens/{pk}/", f"/tokens/{pk}/edit/", URL, "/activity/"):
        assertNotContains(client.get(url), token[9:])


def test_reloading_the_page_is_an_error_and_shows_nothing(client: Client) -> None:
    first = client.post(URL, form())

    again = client.post(URL, form())

    assert again.status_code == 422
    assert errors_in(again) == {"name": "Another gateway token already has this name."}
    assertNotContains(again, token_in(first), status_code=422)
    assert GatewayToken.objects.count() == 1


def test_in_a_dialog_it_is_the_same_page(client: Client) -> None:
    response = client.post(URL, form(), headers={"HX-Request": "true"})

    assert response.status_code == 201
    assert html_of(response).count('id="panel"') == 1
    panel = html_of(response).split('id="panel"')[1].split("</section>")[0]
    assert token_in(response) in panel


def test_an_example_is_ready_to_be_run(client: Client) -> None:
    response = client.post(URL, form())

    example = text_of(re.search(r"<pre.*?</pre>", html_of(response), re.DOTALL)[0])
    example = example.replace(" \\ ", " ")  # a line each
    head, _, body = example.partition(" -d ")
    assert head == (
        "curl http://testserver/gateway/v1/chat/completions "
        f'-H "Authorization: Bearer {token_in(response)}" -H "Content-Type: application/json"'
    )
    assert json.loads(body.strip("'")) == {
        "model": "search",
        "messages": [{"role": "user", "content": "Hello"}],
    }


def test_the_example_asks_an_embedding_model_for_embeddings(
    client: Client, make_endpoint: MakeEndpoint
) -> None:
    endpoint = make_endpoint("embed", None)
    endpoint.routes.update(model="text-embedding-3-small")

    response = client.post(URL, form(endpoints="embed"))

    assertContains(response, "curl http://testserver/gateway/v1/embeddings ", status_code=201)
    body = '-d \'{"model": "embed", "input": "Hello"}\''
    assertContains(response, body, status_code=201)


def test_an_endpoint_without_the_openai_api_has_no_example_for_it(
    client: Client, make_key: MakeKey, make_endpoint: MakeEndpoint
) -> None:
    key = make_key("bedrock")
    key.scheme.transport["dialects"] = {}
    key.scheme.save()
    endpoint = make_endpoint("claude", key)

    response = client.post(URL, form(endpoints="claude"))

    assertNotContains(response, "curl", status_code=201)
    assertContains(response, f'href="{endpoint.get_absolute_url()}"', status_code=201)


def test_the_example_calls_an_endpoint_that_answers(client: Client) -> None:
    response = client.post(URL, form(all_endpoints="on"))

    assertContains(response, '"model": "search"', status_code=201)
    Endpoint.objects.all().delete()
    response = client.post(URL, form(name="other", all_endpoints="on"))
    assertContains(response, '"model": "your-endpoint"', status_code=201)


# --- What it reaches -----------------------------------------------------------------------------


def test_every_endpoint_is_a_choice_and_beats_the_named_ones(client: Client) -> None:
    client.post(URL, form(all_endpoints="on", endpoints=["search", "nonsense"]))

    token = GatewayToken.objects.get()
    assert token.all_endpoints
    assert not token.endpoints.exists()


@pytest.mark.parametrize(
    "typed",
    [
        ["search", "translate"],
        ["search, translate"],
        ["search,,translate,"],
        ["search\r\ntranslate"],
        [" SEARCH  translate\tsearch "],
    ],
)
@pytest.mark.parametrize("are_many", [False, True])
def test_several_are_ticked_or_typed_with_commas_or_on_lines(
    client: Client, request: pytest.FixtureRequest, typed: list[str], are_many: bool
) -> None:
    if are_many:
        request.getfixturevalue("many")

    client.post(URL, form(endpoints=typed))

    names = GatewayToken.objects.get().endpoints.order_by("name").values_list("name", flat=True)
    assert list(names) == ["search", "translate"]


def test_a_few_endpoints_are_boxes_to_tick(client: Client) -> None:
    page = html_of(client.get(URL))

    assert re.findall(r'type="checkbox" name="endpoints" value="([^"]*)"', page) == [
        "off", "search", "translate",
    ]  # fmt: skip


@pytest.mark.usefixtures("many")
def test_many_endpoints_are_a_line_that_suggests_by_the_last_name_typed(client: Client) -> None:
    assert html_of(client.get(URL)).count("<option value=") == 50 + len(
        ["7", "30", "90", "365", "never", "date"]
    )

    page = html_of(client.get(f"{URL}?endpoints=search,%20LATE"))

    assert 'type="checkbox" name="endpoints"' not in page
    assert inputs_of(client.get(f"{URL}?endpoints=search,%20LATE"))["endpoints"] == "search, LATE"
    datalist = re.search(r"<datalist.*?</datalist>", page, re.DOTALL)[0]
    assert re.findall(r'value="([^"]*)"', datalist) == ["translate"]


@pytest.mark.usefixtures("many")
def test_a_disabled_endpoint_is_marked_in_suggestions(client: Client) -> None:
    page = client.get(f"{URL}?endpoints=off").text

    assert re.search(r'<option value="off"\s+label="disabled"', page)


@pytest.mark.parametrize("typed", ["%00", "%ff", "%25", "_", "x" * 500, "%F0%9F%94%91", "<b>", ","])
@pytest.mark.parametrize("are_many", [False, True])
def test_whatever_is_typed_so_far_there_is_a_page(
    client: Client, request: pytest.FixtureRequest, typed: str, are_many: bool
) -> None:
    if are_many:
        request.getfixturevalue("many")

    assert client.get(f"{URL}?endpoints={typed}").status_code == 200


def test_a_link_may_bring_the_endpoint_along(client: Client) -> None:
    page = html_of(client.get(f"{URL}?endpoints=search"))

    assert re.search(r'value="search"[^>]* checked', page)
    assert page.count(" checked") == 1


def test_without_endpoints_the_page_explains_that_and_all_endpoints_can_be_chosen(
    client: Client,
) -> None:
    Endpoint.objects.all().delete()

    assertContains(client.get(URL), "There are no endpoints yet")
    response = client.post(URL, form(all_endpoints="on"))
    assert response.status_code == 201


# --- How long it lasts ---------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "days"), [("7", 7), ("30", 30), ("90", 90), ("365", 365)])
def test_it_expires_after_as_many_days(client: Client, choice: str, days: int) -> None:
    client.post(URL, form(expires_at=choice))

    assert days_left() == pytest.approx(days, abs=0.01)


def test_ninety_days_are_the_default(client: Client) -> None:
    assert '<option value="90" selected>90 days</option>' in html_of(client.get(URL))

    data = form()
    del data["expires_at"]
    client.post(URL, data)

    assert days_left() == pytest.approx(90, abs=0.01)


def test_it_may_never_expire(client: Client) -> None:
    client.post(URL, form(expires_at="never"))

    assert GatewayToken.objects.get().expires_at is None


def test_on_a_date_it_works_until_the_end_of_that_day(client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    day = timezone.localdate() + timedelta(days=5)
    assert "until the end of that day, JST" in text_of(client.get(URL))

    client.post(URL, form(expires_at="date", expires_on=str(day)))

    end = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert GatewayToken.objects.get().expires_at == end


def test_today_is_still_a_date(client: Client) -> None:
    client.post(URL, form(expires_at="date", expires_on=str(timezone.localdate())))

    assert 0 <= days_left() < 1


def test_a_date_counts_only_where_it_was_chosen(client: Client) -> None:
    response = client.post(URL, form(expires_at="7", expires_on="nonsense"))

    assert response.status_code == 201
    assert days_left() == pytest.approx(7, abs=0.01)


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "TAKEN"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "\u3164"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "x" * 400_000}, "name"),
        ({"endpoints": []}, "endpoints"),
        ({"endpoints": [", ,"]}, "endpoints"),
        ({"endpoints": ["nonsense"]}, "endpoints"),
        ({"endpoints": ["search", "a\0b"]}, "endpoints"),
        ({"endpoints": ["é %_\\ <b>"]}, "endpoints"),
        ({"endpoints": ["x" * 400_000]}, "endpoints"),
        ({"endpoints": ["x " * 90_000]}, "endpoints"),
        ({"expires_at": "8"}, "expires_at"),
        ({"expires_at": "keep"}, "expires_at"),
        ({"expires_at": "\0"}, "expires_at"),
        ({"expires_at": "date"}, "expires_on"),
        ({"expires_at": "date", "expires_on": "tomorrow"}, "expires_on"),
        ({"expires_at": "date", "expires_on": "2020-01-01"}, "expires_on"),
        ({"expires_at": "date", "expires_on": "0001-01-01"}, "expires_on"),
        ({"expires_at": "date", "expires_on": "9999-12-31"}, "expires_on"),
        ({"expires_at": "date", "expires_on": "9" * 5000}, "expires_on"),
        ({"expires_at": "date", "expires_on": "\0"}, "expires_on"),
    ],
)
def test_an_error_is_shown_at_its_input(
    client: Client, make_token: MakeToken, changes: dict[str, Any], field: str
) -> None:
    make_token("taken")

    response = client.post(URL, form(**changes))

    assert response.status_code == 422
    assert set(errors_in(response)) == {field}
    assert GatewayToken.objects.count() == 1


def test_what_there_is_not_is_named(client: Client) -> None:
    response = client.post(URL, form(endpoints=["a", "search", "b", "c", "d"]))

    assert errors_in(response)["endpoints"] == (
        "There is no endpoint called “a”, “b”, “c” and 1 more."
    )


def test_every_error_is_shown_at_once(client: Client) -> None:
    response = client.post(URL, form(name="", endpoints=[], expires_at="x"))

    assert set(errors_in(response)) == {"name", "endpoints", "expires_at"}


@pytest.mark.parametrize("are_many", [False, True])
def test_what_was_typed_is_still_there_after_an_error(
    client: Client, request: pytest.FixtureRequest, are_many: bool
) -> None:
    if are_many:
        request.getfixturevalue("many")

    response = client.post(
        URL, form(name="", endpoints=["search", "off"], expires_at="date", expires_on="2020-02-02")
    )

    inputs = inputs_of(response)
    assert inputs["expires_on"] == "2020-02-02"
    assertContains(response, '<option value="date" selected>', status_code=422)
    if are_many:
        assert inputs["endpoints"] == "search, off"
    else:
        ticked = re.findall(r'name="endpoints" value="([^"]*)"[^>]* checked', html_of(response))
        assert ticked == ["off", "search"]


def test_unknown_fields_change_nothing(client: Client) -> None:
    client.post(URL, form(digest="0" * 64, purpose="trial", created_by="eve", prefix="gh_x", id=5))

    token = GatewayToken.objects.get()
    assert (token.purpose, token.created_by) == ("application", "kim")
    assert token.digest != "0" * 64
