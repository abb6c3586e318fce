"""Staging, promoting, rolling back and disabling a key, as the next request sees it."""

from collections.abc import Callable
from typing import Any

import pytest

from apikeys import services
from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from endpoints.models import Endpoint
from gatewayproject.accounts.actors import Actor
from gatewayproject.demo.provider import Provider
from tests import drafts
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import OTHER_KEY

from .client import chat, credentials_in


@pytest.fixture
def act(by: Actor) -> Callable[..., None]:
    """Do something to the key, as it stands now."""

    def act(service: Callable[..., Any], **how: Any) -> None:
        key = ApiKey.objects.get()
        service(key, by=by, rev=key.rev, **how)

    return act


def test_each_step_of_a_rotation_applies_to_the_next_request(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    act: Callable[..., None],
) -> None:
    def sent() -> str:
        assert chat(gateway, token).status == 200
        return credentials_in(provider.requests[-1])[0][1]

    assert sent() == f"Bearer {OPENAI_KEY}"
    act(drafts.stage, secrets={"api_key": OTHER_KEY})
    assert sent() == f"Bearer {OPENAI_KEY}"
    act(services.promote_credentials, confirmation="my-openai-key")
    assert sent() == f"Bearer {OTHER_KEY}"
    act(services.roll_back_credentials)
    assert sent() == f"Bearer {OPENAI_KEY}"
    seen = blast_radius_of(ApiKey.objects.get()).digest()
    act(services.disable_api_key, seen=seen)
    assert chat(gateway, token).code == "no_working_key"
    act(services.enable_api_key)
    assert sent() == f"Bearer {OPENAI_KEY}"


def test_a_refusal_is_never_answered_by_the_previous_credentials(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    act: Callable[..., None],
) -> None:
    act(drafts.stage, secrets={"api_key": OTHER_KEY})
    act(services.promote_credentials, confirmation="my-openai-key")
    provider.accept_keys = {OPENAI_KEY}

    answer = chat(gateway, token)

    assert answer.status >= 400
    sent = {credentials_in(request)[0][1] for request in provider.requests}
    assert sent == {f"Bearer {OTHER_KEY}"}
