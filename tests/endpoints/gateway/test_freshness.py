"""What has been committed holds for every request that arrives afterwards, in every process."""

import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.models import Endpoint, GatewayToken, Route
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt, Rotate

from .client import HELLO, chat, credentials_in
from .server import another_process_running

EDITS = 40  # of each of six kinds


@pytest.fixture
def another_process(gateway: str) -> Iterator[str]:
    """The same gateway, served by a second process."""
    with another_process_running() as url:
        yield f"{url}/gateway"


def test_every_change_applies_at_once_in_every_process(
    gateway: str,
    another_process: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    rotate: Rotate,
) -> None:
    gateways, stale = (gateway, another_process), []
    key, row = ApiKey.objects.get(), GatewayToken.objects.get()

    def ask_all(expected: Callable[[Any], bool], what: str) -> None:
        stale.extend(what for url in gateways if not expected(chat(url, token)))

    for number in range(EDITS):
        secret = f"sk-proj-MadeUp{number:032}"
        rotate(key, secret)
        ask_all(lambda _: credentials_in(provider.requests[-1])[0][1] == f"Bearer {secret}", "key")  # noqa: B023
        Route.objects.update(model=f"gpt-{number}")
        ask_all(lambda answer: answer.json()["model"] == f"gpt-{number}", "route")  # noqa: B023
        ApiKey.objects.update(enabled=False)
        ask_all(lambda answer: answer.code == "no_working_key", "key off")
        ApiKey.objects.update(enabled=True)
        Endpoint.objects.update(enabled=False)
        ask_all(lambda answer: answer.code == "endpoint_disabled", "endpoint off")
        Endpoint.objects.update(enabled=True)
        GatewayToken.objects.update(revoked_at=timezone.now())
        ask_all(lambda answer: answer.code == "token_revoked", "token revoked")
        row.save()  # as it was
        ask_all(lambda answer: answer.status == 200, "all well")

    assert stale == []


def test_no_request_is_served_by_what_was_changed_before_it_arrived(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    committed, seen, over = 0, [], threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            before = committed
            answer = chat(gateway, token)
            seen.append((before, int(answer.json()["model"].removeprefix("gpt-"))))

    Route.objects.update(model="gpt-0")
    callers = [threading.Thread(target=keep_asking) for _ in range(6)]
    for caller in callers:
        caller.start()
    end = monotonic() + 20
    while len(seen) < 200 and monotonic() < end:
        Route.objects.update(model=f"gpt-{committed + 1}")
        committed += 1
        sleep(0.002)
    over.set()
    for caller in callers:
        caller.join()

    assert committed > 20
    assert len(seen) > 20
    assert [pair for pair in seen if pair[1] < pair[0]] == []


def test_a_stream_that_has_begun_keeps_its_key(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    rotate: Rotate,
) -> None:
    key = key_at()
    make_endpoint("search", key, model="stream-20-20")
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)
    stream = client.chat.completions.create(model="search", messages=HELLO, stream=True)
    next(iter(stream))

    rotate(key, "sk-proj-MadeUpLater00000000000000000000000")
    GatewayToken.objects.update(revoked_at=timezone.now())
    Endpoint.objects.update(enabled=False)

    assert len(list(stream)) >= 19
    assert len(provider.requests) == 1


def test_a_key_deleted_during_a_kept_connection_is_not_used(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    parts = urlsplit(gateway)
    connection = HTTPConnection(parts.hostname or "", parts.port)
    headers = {"Authorization": f"Bearer {token}"}
    statuses = []

    for api_key in (ApiKey.objects.get(), None):
        Route.objects.update(api_key=api_key)
        connection.request("GET", "/gateway/search/v1/models", headers=headers)
        answer = connection.getresponse()
        statuses.append(answer.status)
        answer.read()
    connection.close()

    assert statuses == [200, 424]
