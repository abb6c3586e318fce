"""A provider that does not respond does not cost every request the timeout."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from apikeys.models import ApiKey
from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.gateway.routing import circuit_breaker
from endpoints.gateway.routing.circuit_breaker import FAILURES, CircuitBreaker
from endpoints.gateway.routing.pauses import Extent
from endpoints.models import OpenCircuit, Route
from endpoints.services.open_circuits import (
    open_circuits,
    remove_open_circuit,
    store_open_circuit,
)
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint, MakeKey
from tests.endpoints.usage.test_metrics import samples
from tests.gateway_fixtures import OTHER_KEY, KeyAt

from .client import ask, chat, eventually
from .event_loops import run
from .server import Served
from .test_routes import fallback, models_in, primary


@contextmanager
def nobody() -> Iterator[str]:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


# The circuit, by itself


def route(model: str = "gpt-5", version: UUID | None = None) -> FoundRoute:
    facts: dict[str, Any] = dict.fromkeys(FoundRoute.__dataclass_fields__)
    return FoundRoute(
        **{**facts, "version_id": version or uuid4(), "model": model, "key_name": "a"}
    )


class Clock:
    """The seconds that the circuit breaker sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(circuit_breaker, "time", clock)
    monkeypatch.setattr(circuit_breaker, "JITTER", 0)
    monkeypatch.setattr(circuit_breaker, "store_open_circuit", lambda *_, **__: None)
    monkeypatch.setattr(circuit_breaker, "remove_open_circuit", lambda *_: None)
    return clock


def with_breaker(test: Callable[[CircuitBreaker], None]) -> None:
    async def on_a_loop() -> None:
        with ThreadPoolExecutor(1) as executor:
            breaker = CircuitBreaker(executor)
            test(breaker)
            await breaker.close()

    run(on_a_loop())


def fail(breaker: CircuitBreaker, dead: FoundRoute, times: int = FAILURES) -> None:
    for _ in range(times):
        attempt = object()
        breaker.begin(dead, attempt)
        breaker.note_no_response(dead, Extent.MODEL, attempt)
        breaker.end(dead, attempt)


def test_only_failures_in_a_row_open_a_circuit(clock: Clock) -> None:
    def test(breaker: CircuitBreaker) -> None:
        dead, good = route(), route()
        fail(breaker, dead, FAILURES - 1)
        breaker.note_response(dead)
        fail(breaker, dead, FAILURES - 1)
        assert breaker.put_last([dead, good]) == [dead, good]
        fail(breaker, dead, 1)
        assert breaker.put_last([dead, good]) == [good, dead]

    with_breaker(test)


def test_after_the_pause_one_request_tries_and_the_pause_doubles(clock: Clock) -> None:
    def test(breaker: CircuitBreaker) -> None:
        dead, good = route(), route()
        fail(breaker, dead)
        for pause in (5, 10, 20, 40, 60, 60):
            clock.now += pause - 1
            assert breaker.put_last([dead, good]) == [good, dead]
            clock.now += 2
            assert breaker.put_last([dead, good]) == [dead, good]
            trial = object()
            breaker.begin(dead, trial)
            assert breaker.put_last([dead, good]) == [good, dead]  # the others
            other = object()  # that has no other route
            breaker.begin(dead, other)
            breaker.note_no_response(dead, Extent.MODEL, other)
            breaker.end(dead, other)
            assert breaker.put_last([dead, good]) == [good, dead]
            breaker.note_no_response(dead, Extent.MODEL, trial)
            breaker.end(dead, trial)

    with_breaker(test)


def test_a_trial_without_a_result_is_followed_by_another(clock: Clock) -> None:
    def test(breaker: CircuitBreaker) -> None:
        dead, good = route(), route()
        fail(breaker, dead)
        clock.now += 6
        trial = object()
        breaker.begin(dead, trial)
        breaker.end(dead, trial)  # its client has left
        assert breaker.put_last([dead, good]) == [dead, good]

    with_breaker(test)


def test_a_response_closes_the_circuit_and_the_next_pause_is_short(clock: Clock) -> None:
    def test(breaker: CircuitBreaker) -> None:
        dead, good = route(), route()
        fail(breaker, dead)
        clock.now += 6
        fail(breaker, dead, 1)
        breaker.note_response(dead)
        assert breaker.put_last([dead, good]) == [dead, good]
        fail(breaker, dead)
        clock.now += 6
        assert breaker.put_last([dead, good]) == [dead, good]

    with_breaker(test)


def test_without_a_connection_all_models_of_the_key_are_tried_last(clock: Clock) -> None:
    def test(breaker: CircuitBreaker) -> None:
        version = uuid4()
        one, other, good = route("a", version), route("b", version), route()
        for _ in range(FAILURES):
            breaker.note_no_response(one, Extent.KEY, object())
        assert breaker.put_last([other, good]) == [good, other]
        breaker.note_no_response(other, Extent.MODEL, object())  # there was a connection
        assert breaker.put_last([one, good]) == [one, good]

    with_breaker(test)


def test_if_every_circuit_is_open_the_order_is_kept(clock: Clock) -> None:
    def test(breaker: CircuitBreaker) -> None:
        routes = [route(), route(), route()]
        for dead in routes:
            fail(breaker, dead)
        assert breaker.put_last(routes) == routes

    with_breaker(test)


def test_circuits_of_replaced_credentials_do_not_fill_the_memory(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "MOST", 10)

    def test(breaker: CircuitBreaker) -> None:
        for _ in range(100):
            fail(breaker, route(), 1)
        assert len(breaker._circuits) <= 10

    with_breaker(test)


# In the gateway


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that a test can wait for."""
    monkeypatch.setattr(circuit_breaker, "FIRST_PAUSE", 0.3)


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that no test sees the end of."""
    monkeypatch.setattr(circuit_breaker, "FIRST_PAUSE", 3000.0)


@pytest.mark.usefixtures("long_pauses")
def test_a_dead_primary_costs_only_a_few_requests_the_timeout(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    served: Served,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    settings.GATEWAY_CONNECT_SECONDS = 1.0
    served.start_afresh()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]  # so that no other connection is accepted
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        dead = key_at("dead", url=f"http://127.0.0.1:{port}", secrets={"api_key": OTHER_KEY})
        make_endpoint("search", routes=[primary(dead, "a"), fallback(key_at(), "b")])
        make_endpoint("other", routes=[primary(dead, "c"), fallback(key_at("third"), "d")])
        seconds = []
        for _ in range(FAILURES + 5):
            began = monotonic()
            assert chat(gateway, token).status == 200
            seconds.append(monotonic() - began)
        began = monotonic()
        assert chat(gateway, token, "other").status == 200  # shared by the endpoints
        seconds.append(monotonic() - began)
        for each in waiting:
            each.close()

    assert min(seconds[:FAILURES]) >= 0.9
    assert sorted(seconds[FAILURES:])[3] < 1.0  # the median


@pytest.mark.usefixtures("long_pauses")
@pytest.mark.parametrize("retries", [True, False])
def test_a_provider_that_sends_nothing_is_tried_last(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    served: Served,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    retries: bool,
) -> None:
    settings.GATEWAY_FIRST_BYTE_SECONDS = 0.3
    settings.GATEWAY_RETRY_TIMEOUTS = retries
    served.start_afresh()
    make_endpoint(
        "search", routes=[primary(key_at(), "slow-30000"), fallback(key_at("other"), "b")]
    )

    answers = [chat(gateway, token).status for _ in range(FAILURES + 2)]

    assert answers == [200 if retries else 504] * FAILURES + [200] * 2
    assert models_in(provider)[-2:] == ["b", "b"]


@pytest.mark.usefixtures("long_pauses")
def test_a_path_of_the_clients_choice_opens_no_circuit(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    served: Served,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    settings.GATEWAY_FIRST_BYTE_SECONDS = 0.3
    served.start_afresh()
    make_endpoint("search", routes=[primary(key_at(), "a"), fallback(key_at("other"), "b")])
    for _ in range(FAILURES + 1):
        body = {"model": "slow-30000"}
        assert ask(gateway, "/search/v1/chat/completions", body, token=token).status == 504

    assert chat(gateway, token).status == 200
    assert models_in(provider)[-1] == "a"


@pytest.mark.usefixtures("short_pauses")
def test_the_provider_is_used_again_as_soon_as_it_responds(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with nobody() as url:
        dead = key_at("dead", url=url)
        make_endpoint("search", routes=[primary(dead, "a"), fallback(key_at(), "b")])
        for _ in range(FAILURES + 1):
            assert chat(gateway, token).status == 200
        eventually(OpenCircuit.objects.exists)
        back = Provider(port=int(url.rpartition(":")[2]))
        with back.running():
            eventually(lambda: chat(gateway, token).status == 200 and back.requests)
            assert chat(gateway, token).status == 200
            assert len(back.requests) == 2
            eventually(lambda: not OpenCircuit.objects.exists())


@pytest.mark.usefixtures("long_pauses")
def test_no_request_is_refused_because_of_an_open_circuit(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with nobody() as url:
        make_endpoint("search", key_at("dead", url=url))
        for _ in range(FAILURES + 1):
            answer = chat(gateway, token)
            assert (answer.status, answer.code) == (502, "provider_unreachable")
        with Provider(port=int(url.rpartition(":")[2])).running():
            assert chat(gateway, token).status == 200


@pytest.mark.usefixtures("long_pauses")
@pytest.mark.django_db(transaction=True)
def test_an_open_circuit_is_on_the_page_of_its_endpoints_and_in_the_metrics(
    gateway: str, client: Client, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with nobody() as url:
        make_endpoint("search", routes=[primary(key_at("dead", url=url), "a")])
        make_endpoint("other", key_at("good"))
        for _ in range(FAILURES):
            chat(gateway, token)
    eventually(OpenCircuit.objects.exists)

    assert "Not responding" in client.get("/endpoints/search/").content.decode()
    assert "Not responding" not in client.get("/endpoints/other/").content.decode()
    found = [item for item in samples(client) if item.name == "gatehouse_open_circuits"]
    assert [(item.labels["api_key"], item.labels["model"], item.value) for item in found] == [
        ("dead", "", 1)
    ]


@pytest.mark.usefixtures("long_pauses")
def test_a_row_of_a_process_that_was_killed_does_not_stay(
    gateway: str, client: Client, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at("mine")
    make_endpoint("search", routes=[Route(api_key=key, model="a", weight=100)])
    long_ago = "2026-01-01T00:00:00Z"
    version = ApiKey.objects.get().current
    OpenCircuit.objects.create(version=version, model="a", since=long_ago, until=long_ago)

    assert "Not responding" not in client.get("/endpoints/search/").content.decode()


@pytest.mark.django_db
def test_an_open_circuit_is_stored_once_and_forgotten_later(make_key: MakeKey) -> None:
    key = make_key("mine")
    version, other = key.current_id, make_key("other").current_id
    store_open_circuit(version, "a", seconds=5)
    since = OpenCircuit.objects.get().since
    store_open_circuit(version, "a", seconds=3600)

    stored = OpenCircuit.objects.get()
    assert stored.since == since
    assert 3600 < (stored.until - since).total_seconds() < 3800
    assert list(open_circuits()) == [stored]

    OpenCircuit.objects.update(until=since - timedelta(hours=2))
    assert not open_circuits().exists()
    store_open_circuit(other, "", seconds=5)
    store_open_circuit(uuid4(), "", seconds=5)  # credentials that were deleted meanwhile
    assert [each.version_id for each in OpenCircuit.objects.all()] == [other]

    remove_open_circuit(other, "")
    assert not OpenCircuit.objects.exists()
