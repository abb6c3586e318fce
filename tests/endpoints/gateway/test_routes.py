"""Which route serves: by weight, by turns when one fails, and later where it asked for a pause."""

import json
import socket
from collections import Counter
from collections.abc import Sequence
from time import sleep
from typing import Any

import pytest

from apikeys.models import ApiKey
from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.gateway.routing.pauses import in_order
from endpoints.models import Route
from gatewayproject.demo.provider import Provider, Response, json_response
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat


def models_in(provider: Provider) -> list[str]:
    """Return the model of each request that the provider received."""
    return [json.loads(request.body)["model"] for request in provider.requests]


def primary(key: ApiKey | None, model: str, weight: int = 100) -> Route:
    return Route(api_key=key, model=model, weight=weight)


def fallback(key: ApiKey | None, model: str) -> Route:
    return Route(api_key=key, model=model, kind="fallback")


# Weights


def found(number: int, weight: int, kind: str = "primary", *, has_key: bool = True) -> FoundRoute:
    facts: dict[str, Any] = dict.fromkeys(FoundRoute.__dataclass_fields__)
    facts |= {"id": number, "kind": kind, "weight": weight, "key_enabled": True}
    return FoundRoute(**{**facts, "version_id": "a version" if has_key else None})


def first_of(routes: Sequence[FoundRoute], draws: int = 4000) -> Counter[int]:
    return Counter(in_order(routes)[0].id for _ in range(draws))


def test_primaries_share_the_traffic_by_weight() -> None:
    counts = first_of([found(1, 70), found(2, 30), found(3, 0)])

    assert counts[1] / 4000 == pytest.approx(0.7, abs=0.05)
    assert counts[2] / 4000 == pytest.approx(0.3, abs=0.05)
    assert not counts[3]


def test_a_primary_without_a_key_leaves_its_share_to_the_others() -> None:
    counts = first_of([found(1, 50, has_key=False), found(2, 40), found(3, 10)])

    assert not counts[1]
    assert counts[2] / 4000 == pytest.approx(0.8, abs=0.05)


def test_fallbacks_come_before_the_other_primaries_and_in_their_order() -> None:
    routes = [found(1, 100), found(2, 0), found(3, 0, "fallback"), found(4, 0, "fallback")]

    assert [route.id for route in in_order(routes)] == [1, 3, 4, 2]


def test_weights_that_are_all_nothing_still_serve() -> None:
    assert [route.id for route in in_order([found(1, 0), found(2, 0)])] == [1, 2]


def test_conversations_share_the_traffic_by_weight_and_each_stays_with_its_primary() -> None:
    routes = [found(1, 70), found(2, 30), found(3, 0), found(4, 0, "fallback")]
    conversations = [b"%d" % number for number in range(2000)]

    served = {each: in_order(routes, each)[0].id for each in conversations}
    served_later = {each: in_order(routes[1:], each)[0].id for each in conversations}

    assert Counter(served.values())[1] / 2000 == pytest.approx(0.7, abs=0.05)
    assert set(served.values()) == {1, 2}
    assert all(served_later[each] == 2 for each in conversations if served[each] == 2)


def test_the_answer_names_the_route_that_served(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at("Köln, production")
    endpoint = make_endpoint(
        "search", routes=[primary(key, "gpt-5", 50), primary(key, "gpt-5 mini", 50)]
    )

    counts = Counter(chat(gateway, token).headers["x-gatehouse-route"] for _ in range(40))

    first, second = endpoint.routes.all()
    named = "key=K%C3%B6ln%2C%20production; model="
    assert counts == {
        f"{first.pk}; {named}gpt-5": models_in(provider).count("gpt-5"),
        f"{second.pk}; {named}gpt-5%20mini": models_in(provider).count("gpt-5 mini"),
    }


# Fallbacks


@pytest.mark.parametrize(
    "failing",
    [
        "fail-408", "fail-409", "fail-429", "fail-500", "fail-502", "fail-503", "fail-529",
        "fail-599", "close", "garbage", "cut", "big-headers", "redirect",
    ],
)  # fmt: skip
def test_a_failing_route_is_followed_by_the_next(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    failing: str,
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, failing), fallback(key, "gpt-5")])

    answer = chat(gateway, token)

    assert (answer.status, answer.json()["model"]) == (200, "gpt-5")
    assert answer.headers["x-gatehouse-route"].endswith("model=gpt-5")
    assert models_in(provider) == [failing, "gpt-5"]


@pytest.fixture
def slow_and_fast(settings: Any, key_at: KeyAt, make_endpoint: MakeEndpoint) -> None:
    """An endpoint whose first route takes longer than the gateway waits."""
    settings.GATEWAY_FIRST_BYTE_SECONDS = 1  # the second route has to respond within it
    key = key_at()
    make_endpoint("search", routes=[primary(key, "slow-20000"), fallback(key, "gpt-5")])


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_timed_out_is_not_sent_again_as_it_may_be_billed(
    slow_and_fast: None, gateway: str, provider: Provider, token: str, stream: bool
) -> None:
    answer = chat(gateway, token, stream=stream)

    assert (answer.status, answer.code) == (504, "provider_timeout_maybe_billed")
    assert models_in(provider) == ["slow-20000"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_timed_out_is_sent_to_the_next_route_if_the_operator_allows_it(
    settings: Any, slow_and_fast: None, gateway: str, token: str, stream: bool
) -> None:
    settings.GATEWAY_RETRY_TIMEOUTS = True

    answer = chat(gateway, token, stream=stream)

    assert answer.status == 200
    assert answer.headers["x-gatehouse-route"].endswith("model=gpt-5")


def test_a_closed_port_is_followed_by_the_next_route(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    unreachable = key_at("my-unreachable-key", url=closed_url)
    make_endpoint("search", routes=[primary(unreachable, "gpt-4"), fallback(key_at(), "gpt-5")])

    answer = chat(gateway, token)

    assert (answer.status, answer.json()["model"]) == (200, "gpt-5")


def test_fallbacks_are_tried_in_order_and_the_other_primaries_last(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    routes = [primary(key, "fail-500"), primary(key, "gpt-5", 0)]
    routes += [fallback(key, "fail-503"), fallback(key, "fail-429")]
    make_endpoint("search", routes=routes)

    answer = chat(gateway, token)

    assert answer.status == 200
    assert models_in(provider) == ["fail-500", "fail-503", "fail-429", "gpt-5"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_client_errors_are_returned_to_the_client(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    status: int,
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, f"fail-{status}"), fallback(key, "gpt-5")])

    answer = chat(gateway, token)

    assert answer.status == status
    assert answer.json()["error"]["message"] == f"Error {status}."
    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_what_the_last_route_says_is_the_answer(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint, status: int
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, "fail-502"), fallback(key, f"fail-{status}")])

    answer = chat(gateway, token)

    assert answer.status == status
    assert answer.json()["error"]["message"] == f"Error {status}."
    assert answer.headers["x-gatehouse-route"].endswith(f"model=fail-{status}")


def test_a_stream_that_has_begun_stays_with_its_route(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, "cut"), fallback(key, "gpt-5")])

    answer = chat(gateway, token, stream=True)

    assert answer.headers["x-gatehouse-route"].endswith("model=cut")
    assert b"provider_broke_off" in answer.body
    assert len(provider.requests) == 1


def test_a_passthrough_falls_back_too(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    other_key: ApiKey,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", routes=[primary(key_at(), "a"), fallback(other_key, "b")])
    provider.next_responses(json_response({}, 500))

    answer = ask(gateway, "/search/v1/models", token=token, method="GET")

    assert answer.status == 200
    assert [request.target for request in provider.requests] == ["/v1/models", "/v1/models"]


def test_a_route_of_another_dialect_is_no_fallback(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    claude = key_at("claude", "anthropic")
    make_endpoint("search", routes=[primary(claude, "fail-429"), fallback(key_at(), "gpt-5")])
    body = {"model": "search", "max_tokens": 9, "messages": HELLO}

    answer = ask(gateway, "/v1/messages", body, token=token)

    assert answer.status == 429  # as the provider said it, so that an SDK tries again
    assert answer.json()["error"]["message"] == "Error 429."
    assert models_in(provider) == ["fail-429"]


# Retry-After


@pytest.mark.parametrize("status", [429, 503])
def test_a_route_that_asked_for_a_pause_is_tried_last_until_it_is_over(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    status: int,
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, "gpt-5"), fallback(key, "gpt-4")])
    provider.script("gpt-5", Response(status=status, headers={"retry-after": "1"}))

    for _ in range(2):
        chat(gateway, token)
    sleep(1.1)
    chat(gateway, token)

    assert models_in(provider) == ["gpt-5", "gpt-4", "gpt-4", "gpt-5"]


def test_a_route_that_is_to_wait_still_serves_when_all_else_fails(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, "gpt-5"), fallback(key, "gpt-4")])
    wait = Response(status=429, headers={"retry-after": "60"})
    provider.script("gpt-5", wait)
    provider.script("gpt-4", json_response({}), wait)
    chat(gateway, token)

    answer = chat(gateway, token)

    assert answer.status == 200
    assert models_in(provider) == ["gpt-5", "gpt-4", "gpt-4", "gpt-5"]


@pytest.mark.parametrize(
    "retry_after", ["7", "Fri, 31 Dec 1999 23:59:59 GMT", "-1", "²", "9" * 500, "x"]
)
def test_the_client_gets_the_time_to_retry(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    retry_after: str,
) -> None:
    make_endpoint("search", key_at())
    provider.next_responses(Response(status=429, headers={"retry-after": retry_after}, body=b"{}"))

    answer = chat(gateway, token)

    assert (answer.status, answer.headers["retry-after"]) == (429, retry_after)
