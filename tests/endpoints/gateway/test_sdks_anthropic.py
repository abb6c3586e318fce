"""Anthropic's SDK, unmodified: what arrives is what it would have sent had it the key."""

from collections.abc import Callable

import anthropic
import pytest

from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from . import event_loops
from .client import HELLO, compared, credentials_in, mentions

ASKS_FOR_TOOL = [{"role": "user", "content": [{"type": "text", "text": "Use the tool. ¿Sí? 🙂"}]}]
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def message(client: anthropic.Anthropic, model: str) -> str:
    answer = client.messages.create(
        model=model,
        max_tokens=9,
        messages=HELLO,
        extra_body={"zeta": 1, "alpha": {"model": "kept"}},
        extra_headers={"X-Trace": "made-up"},
    )
    return answer.content[0].text


def beta_message(client: anthropic.Anthropic, model: str) -> str:
    answer = client.beta.messages.create(
        model=model, max_tokens=9, messages=HELLO, betas=["context-1m-2025-08-07"]
    )
    return answer.content[0].text


def message_streamed(client: anthropic.Anthropic, model: str) -> str:
    with client.messages.stream(model=model, max_tokens=9, messages=HELLO) as stream:
        return stream.get_final_text()


def tools(client: anthropic.Anthropic, model: str) -> object:
    answer = client.messages.create(
        model=model, max_tokens=9, messages=ASKS_FOR_TOOL, tools=[WEATHER]
    )
    return answer.content[0].input


def tools_streamed(client: anthropic.Anthropic, model: str) -> object:
    with client.messages.stream(
        model=model, max_tokens=9, messages=ASKS_FOR_TOOL, tools=[WEATHER]
    ) as stream:
        return stream.get_final_message().content[0].input


def count_tokens(client: anthropic.Anthropic, model: str) -> int:
    return client.messages.count_tokens(model=model, messages=HELLO).input_tokens


ACTS = [message, beta_message, message_streamed, tools, tools_streamed, count_tokens]
Act = Callable[[anthropic.Anthropic, str], object]


@pytest.fixture
def claude(key_at: KeyAt, make_endpoint: MakeEndpoint) -> Endpoint:
    """The endpoint ``claude``: an Anthropic key and the model claude-x."""
    return make_endpoint("claude", key_at("my-anthropic-key", "anthropic"), model="claude-x")


def client_at(url: str, api_key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=api_key, base_url=url, max_retries=0)


@pytest.mark.parametrize("base", ["", "/anthropic"])
@pytest.mark.parametrize("act", ACTS)
def test_requests_and_responses_are_those_of_the_provider(
    gateway: str, provider: Provider, token: str, claude: Endpoint, base: str, act: Act
) -> None:
    answered_there = act(client_at(provider.url, OPENAI_KEY), "claude-x")

    answered = act(client_at(gateway + base, token), "claude")

    there, here = provider.requests
    assert answered == answered_there
    assert compared(here) == compared(there)
    assert credentials_in(here) == [("x-api-key", OPENAI_KEY)]
    assert not mentions(here, token)


def test_it_goes_straight_through_with_the_providers_own_models(
    gateway: str, provider: Provider, token: str, claude: Endpoint
) -> None:
    message(client_at(provider.url, OPENAI_KEY), "claude-y")

    message(client_at(f"{gateway}/claude", token), "claude-y")

    there, here = provider.requests
    assert compared(here) == compared(there)
    assert not mentions(here, token)


def test_a_bearer_token_becomes_the_providers_own_header(
    gateway: str, provider: Provider, token: str, claude: Endpoint
) -> None:
    client = anthropic.Anthropic(auth_token=token, base_url=f"{gateway}/anthropic", max_retries=0)

    message(client, "claude")

    [request] = provider.requests
    assert credentials_in(request) == [("x-api-key", OPENAI_KEY)]
    assert not mentions(request, token)


def test_the_client_chooses_the_version_of_the_api(
    gateway: str, provider: Provider, token: str, claude: Endpoint
) -> None:
    client = client_at(f"{gateway}/anthropic", token)

    client.with_options(default_headers={"anthropic-version": "2099-01-01"}).messages.create(
        model="claude", max_tokens=9, messages=HELLO
    )

    [request] = provider.requests
    assert ("anthropic-version", "2099-01-01") in request.headers
    assert [name.lower() for name, _ in request.headers].count("anthropic-version") == 1


@pytest.mark.parametrize("base", ["", "/anthropic"])
def test_its_models_are_the_endpoints(
    gateway: str, token: str, claude: Endpoint, base: str
) -> None:
    page = client_at(gateway + base, token).models.list()

    [model] = page.data
    assert (model.type, model.id, model.display_name) == ("model", "claude", "claude")
    assert model.created_at.date() == claude.created_at.date()
    assert not page.has_next_page()


def test_the_asynchronous_client_streams(gateway: str, token: str, claude: Endpoint) -> None:
    async def streamed() -> str:
        client = anthropic.AsyncAnthropic(
            api_key=token, base_url=f"{gateway}/anthropic", max_retries=0
        )
        async with (
            client,
            client.messages.stream(model="claude", max_tokens=9, messages=HELLO) as stream,
        ):
            return await stream.get_final_text()

    assert event_loops.run(streamed()).endswith("Is anybody there?")
