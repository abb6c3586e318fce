"""Endpoints and routes: their names, their states, how they are found."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apikeys.models import ApiKey
from endpoints.models import RESERVED_NAMES, Endpoint, Route

MakeKey = Callable[..., ApiKey]
MakeEndpoint = Callable[..., Endpoint]

pytestmark = pytest.mark.django_db


def errors_of(row: Endpoint | Route) -> dict[str, list[str]]:
    try:
        row.full_clean(exclude={"endpoint"})
    except ValidationError as error:
        return error.message_dict
    return {}


@pytest.mark.parametrize(
    "name",
    ["a", "7", "search", "search-assistant", "gpt_5.mini", "a" * 63, "v2", "models2", " search "],
)
def test_a_name_in_url_form_is_taken(name: str) -> None:
    endpoint = Endpoint(name=name)

    assert errors_of(endpoint) == {}
    assert endpoint.name == name.strip()


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Search",
        "SEARCH",
        "search assistant",
        "search/chat",
        "-search",
        "search-",
        ".search",
        "search.",
        "..",
        "_search",
        "sea\nrch",
        "search\0",
        "search%20",
        "suche-ä",
        "ѕearch",
        "٣",
        "🔎",
        "search?x=1",
        "search#x",
        "<b>",
        "a" * 64,
        "sea\u200brch",
        "\ud800",
    ],
)
def test_another_name_is_refused_on_its_field(name: str) -> None:
    assert set(errors_of(Endpoint(name=name))) == {"name"}


@pytest.mark.parametrize("name", ["search\n", "search\r\n", "search\x0b"])
def test_a_line_break_at_the_end_of_a_name_is_never_stored(
    name: str, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint(name, None)

    assert Endpoint.objects.get().name == "search"
    with pytest.raises(ValidationError):
        Endpoint._meta.get_field("name").run_validators(name)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_word_of_the_gateways_urls_is_no_name(name: str) -> None:
    assert set(errors_of(Endpoint(name=name))) == {"name"}


def test_the_first_words_of_the_gateways_urls_are_reserved() -> None:
    assert {
        "new",
        "v1",
        "models",
        "openai",
        "anthropic",
        "gemini",
        "admin",
        "healthz",
    } <= RESERVED_NAMES


def test_a_name_is_taken_once(make_endpoint: MakeEndpoint, make_key: MakeKey) -> None:
    make_endpoint("search", make_key())

    assert set(errors_of(Endpoint(name="search"))) == {"name"}


@pytest.mark.parametrize(
    "model", ["gpt-5-mini", "anthropic.claude-v2:1", "accounts/x/models/y", " m ", "<b>", "模型"]
)
def test_a_model_is_whatever_the_provider_calls_it(model: str) -> None:
    route = Route(model=model)

    assert errors_of(route) == {}
    assert route.model == model.strip()


@pytest.mark.parametrize("model", ["", "  ", "a\nb", "a\0b", "a\u202eb", "a\u200bb", "x" * 201])
def test_a_model_is_required_and_one_line(model: str) -> None:
    assert set(errors_of(Route(model=model))) == {"model"}


def test_a_description_is_plain_text_of_some_length() -> None:
    assert errors_of(Endpoint(name="a", description="one\ntwo <b> 🔎")) == {}
    assert set(errors_of(Endpoint(name="a", description="a\0b"))) == {"description"}
    assert set(errors_of(Endpoint(name="a", description="x" * 1_001))) == {"description"}


def test_a_share_of_the_traffic_is_at_most_all_of_it(
    make_endpoint: MakeEndpoint, make_key: MakeKey
) -> None:
    key = make_key()
    endpoint = make_endpoint("search", key)

    with pytest.raises(IntegrityError), transaction.atomic():
        Route.objects.create(endpoint=endpoint, api_key=key, model="m", weight=101)


def test_an_endpoint_has_several_routes_the_primary_ones_first(
    make_endpoint: MakeEndpoint, make_key: MakeKey
) -> None:
    one, two = make_key("one"), make_key("two")
    endpoint = make_endpoint("search", one, model="first")
    for model, kind, position in (
        ("spare", "fallback", 0),
        ("third", "primary", 2),
        ("second", "primary", 1),
    ):
        Route.objects.create(
            endpoint=endpoint, api_key=two, model=model, kind=kind, position=position
        )

    assert [route.model for route in endpoint.routes.all()] == ["first", "second", "third", "spare"]
    assert endpoint.routes.first().model == "first"


def test_endpoints_are_found_by_any_part_of_their_name_in_any_case(
    make_endpoint: MakeEndpoint,
) -> None:
    for name in ("search", "re-search", "support"):
        make_endpoint(name, None)

    assert {endpoint.name for endpoint in Endpoint.objects.search(" SEAR ")} == {
        "search",
        "re-search",
    }
    assert Endpoint.objects.search("%").count() == 0
    assert Endpoint.objects.search("").count() == 3


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["a", "b"]),
        ("-name", ["b", "a"]),
        ("-created", ["b", "a"]),
        ("no such", ["a", "b"]),
    ],
)
def test_endpoints_are_sorted(make_endpoint: MakeEndpoint, sort: str, names: list[str]) -> None:
    for name in ("a", "b"):
        make_endpoint(name, None)

    assert [endpoint.name for endpoint in Endpoint.objects.sorted_by(sort)] == names
