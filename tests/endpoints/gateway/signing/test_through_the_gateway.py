"""The whole way: a key is sealed with its client secret, and a caller's request has a token."""

import json
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.demo.provider import Provider
from tests import fakes
from tests.endpoints.gateway.client import eventually
from tests.endpoints.gateway.clouds import form, header


@pytest.fixture
def chat(
    gateway: str,
    token: str,
    provider: Provider,
    make_key: Callable[..., ApiKey],
    make_endpoint: Callable[..., Endpoint],
) -> Callable[[], int]:
    """Chat at an endpoint whose key is a Databricks service principal; returns the status."""
    key = make_key("my-databricks-key", "databricks", "oauth_m2m", api_base=provider.url)
    make_endpoint("search", key)

    def chat() -> int:
        body = json.dumps({"model": "search", "messages": [{"role": "user", "content": "hi"}]})
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        url = f"{gateway}/v1/chat/completions"
        try:
            with urlopen(Request(url, body.encode(), headers)) as answer:  # noqa: S310 - loopback
                return answer.status
        except HTTPError as error:
            return error.code

    return chat


def test_a_request_carries_the_token_that_the_secret_was_exchanged_for(
    chat: Callable[[], int], provider: Provider
) -> None:
    assert [chat(), chat()] == [200, 200]

    asked, *chats = provider.requests
    assert asked.target == "/oidc/v1/token"
    assert form(asked)["scope"] == "all-apis"
    assert [sent.target for sent in chats] == ["/serving-endpoints/chat/completions"] * 2
    assert [header(sent, "authorization") for sent in chats] == ["Bearer made-up-1"] * 2
    assert not any(fakes.OPENAI_KEY in f"{sent}" for sent in chats)


def test_a_new_token_is_requested_before_a_key_is_marked(
    chat: Callable[[], int], provider: Provider
) -> None:
    assert chat() == 200
    provider.accept_keys = {"made-up-2"}

    assert [chat(), chat()] == [200, 200]

    assert bearers_of_chats(provider) == ["made-up-1", "made-up-1", "made-up-2", "made-up-2"]
    key = ApiKey.objects.get()
    assert (key.refused_at, AuditEvent.objects.filter(channel="gateway").count()) == (None, 0)


def test_a_new_token_is_requested_when_the_first_one_is_refused_at_once(
    chat: Callable[[], int], provider: Provider
) -> None:
    provider.accept_keys = {"made-up-2"}

    assert [chat(), chat()] == [200, 200]

    assert bearers_of_chats(provider) == ["made-up-1", "made-up-2", "made-up-2"]


def test_a_principal_without_access_is_asked_about_twice_and_then_once_a_request(
    chat: Callable[[], int], provider: Provider
) -> None:
    provider.accept_keys = set()

    assert chat() == 424
    eventually(lambda: ApiKey.objects.get().refused_at)
    assert [chat(), chat()] == [424, 424]

    assert bearers_of_chats(provider) == [f"made-up-{number}" for number in (1, 2, 3, 4)]
    [event] = AuditEvent.objects.filter(channel="gateway")
    assert event.act == "refused by provider"


def bearers_of_chats(provider: Provider) -> list[str]:
    chats = [sent for sent in provider.requests if sent.target.endswith("/completions")]
    return [(header(sent, "authorization") or "").removeprefix("Bearer ") for sent in chats]
