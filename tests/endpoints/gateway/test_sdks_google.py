"""Google's SDK, unmodified: what arrives is what it would have sent had it the key."""

from collections.abc import Callable
from typing import Any

import pytest
from google import genai

from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from . import event_loops
from .client import ask, compared, credentials_in, mentions

WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
}
WITH_TOOLS = {
    "tools": [{"function_declarations": [WEATHER]}],
    "automatic_function_calling": {"disable": True},
}


def generate(client: genai.Client, model: str) -> str | None:
    config = {"http_options": {"extra_body": {"zeta": 1, "labels": {"model": "kept"}}}}
    return client.models.generate_content(model=model, contents="¿Sí? 🙂", config=config).text


def generate_streamed(client: genai.Client, model: str) -> str:
    parts = client.models.generate_content_stream(model=model, contents="Is anybody there?")
    return "".join(part.text or "" for part in parts)


def tools(client: genai.Client, model: str) -> object:
    answer = client.models.generate_content(
        model=model, contents="Use the tool.", config=WITH_TOOLS
    )
    return answer.function_calls[0].args


def embed(client: genai.Client, model: str) -> list[float] | None:
    return client.models.embed_content(model=model, contents=["a", "b"]).embeddings[1].values


def count_tokens(client: genai.Client, model: str) -> int | None:
    return client.models.count_tokens(model=model, contents="How many?").total_tokens


ACTS = [generate, generate_streamed, tools, embed, count_tokens]
Act = Callable[[genai.Client, str], object]


@pytest.fixture
def gem(key_at: KeyAt, make_endpoint: MakeEndpoint) -> Endpoint:
    """The endpoint ``gem``: a Gemini key and the model simulated-x."""
    return make_endpoint("gem", key_at("my-gemini-key", "gemini"), model="simulated-x")


def client_at(url: str, api_key: str, **options: Any) -> genai.Client:
    return genai.Client(api_key=api_key, vertexai=False, http_options={"base_url": url, **options})


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("act", ACTS)
def test_requests_and_responses_are_those_of_the_provider(
    gateway: str, provider: Provider, token: str, gem: Endpoint, act: Act, version: str
) -> None:
    answered_there = act(client_at(provider.url, OPENAI_KEY, api_version=version), "simulated-x")

    answered = act(client_at(f"{gateway}/gemini", token, api_version=version), "gem")

    there, here = provider.requests
    assert answered == answered_there
    assert compared(here) == compared(there)
    assert credentials_in(here) == [("x-goog-api-key", OPENAI_KEY)]
    assert not mentions(here, token)


def test_it_goes_straight_through_with_the_providers_own_models(
    gateway: str, provider: Provider, token: str, gem: Endpoint
) -> None:
    embed(client_at(provider.url, OPENAI_KEY), "simulated-y")

    embed(client_at(f"{gateway}/gem", token), "simulated-y")

    there, here = provider.requests
    assert compared(here) == compared(there)
    assert not mentions(here, token)


def test_only_the_name_that_repeats_the_path_is_replaced(
    gateway: str, provider: Provider, token: str, gem: Endpoint
) -> None:
    body = (
        b'{ "requests":[{"content":{"parts":[{"functionCall":{"args":{"model":"models/gem"}}}]},'
        b'  "model" : "models/gem" },{"model":"models/other", "note":"models/gem"}],'
        b'"generateContentRequest":{"model":"models/gem"}}'
    )

    ask(gateway, "/gemini/v1beta/models/gem:batchEmbedContents", body, token=token)

    [request] = provider.requests
    assert request.body == (
        b'{ "requests":[{"content":{"parts":[{"functionCall":{"args":{"model":"models/gem"}}}]},'
        b'  "model" : "models/simulated-x" },{"model":"models/other", "note":"models/gem"}],'
        b'"generateContentRequest":{"model":"models/simulated-x"}}'
    )


def test_a_key_in_the_query_does_not_get_through(
    gateway: str, provider: Provider, token: str, gem: Endpoint
) -> None:
    path = f"/gemini/v1beta/models/gem:streamGenerateContent?key={token}&alt=sse"

    answer = ask(gateway, path, {"contents": []}, headers={"x-goog-api-key": token})

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == "/v1beta/models/simulated-x:streamGenerateContent?alt=sse"
    assert not mentions(request, token)


def test_its_models_are_the_endpoints(gateway: str, token: str, gem: Endpoint) -> None:
    client = client_at(f"{gateway}/gemini", token)

    [model] = client.models.list()

    assert model.name == "models/gem"
    assert "generateContent" in (model.supported_actions or [])


def test_the_asynchronous_client_streams(gateway: str, token: str, gem: Endpoint) -> None:
    async def streamed() -> str:
        client = client_at(f"{gateway}/gemini", token)
        parts = await client.aio.models.generate_content_stream(model="gem", contents="there?")
        return "".join([part.text or "" async for part in parts])

    assert event_loops.run(streamed()).endswith("there?")
