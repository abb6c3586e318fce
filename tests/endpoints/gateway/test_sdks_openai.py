"""OpenAI's SDK, unmodified: what arrives is what it would have sent had it the provider's key."""

import asyncio
from collections.abc import Callable

import openai
import pytest

from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider
from tests.fakes import OPENAI_KEY

from . import event_loops
from .client import HELLO, compared, credentials_in, mentions

WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASKS_FOR_TOOL = [{"role": "user", "content": "Use the tool, please. ¿Sí? 🙂"}]


def chat(client: openai.OpenAI, model: str) -> str | None:
    answer = client.chat.completions.create(
        model=model,
        messages=HELLO,
        extra_body={"zeta": 1, "alpha": {"model": "kept"}},
        extra_headers={"OpenAI-Beta": "assistants=v2", "X-Trace": "made-up"},
        extra_query={"trace": "a b"},
    )
    return answer.choices[0].message.content


def chat_streamed(client: openai.OpenAI, model: str) -> str:
    options = {"include_usage": True}
    chunks = client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options=options
    )
    return "".join(part.choices[0].delta.content or "" for part in chunks if part.choices)


def tools(client: openai.OpenAI, model: str) -> str:
    tool = {"type": "function", "function": WEATHER}
    answer = client.chat.completions.create(model=model, messages=ASKS_FOR_TOOL, tools=[tool])
    return answer.choices[0].message.tool_calls[0].function.arguments


def tools_streamed(client: openai.OpenAI, model: str) -> str:
    tool = {"type": "function", "function": WEATHER}
    with client.chat.completions.stream(model=model, messages=ASKS_FOR_TOOL, tools=[tool]) as calls:
        message = calls.get_final_completion().choices[0].message
    return message.tool_calls[0].function.arguments


def completion(client: openai.OpenAI, model: str) -> str:
    return client.completions.create(model=model, prompt="Once").choices[0].text


def completion_streamed(client: openai.OpenAI, model: str) -> str:
    parts = client.completions.create(model=model, prompt="Once", stream=True)
    return "".join(part.choices[0].text for part in parts)


def response(client: openai.OpenAI, model: str) -> str:
    return client.responses.create(model=model, input="Is anybody there?").output_text


def response_streamed(client: openai.OpenAI, model: str) -> str:
    with client.responses.stream(model=model, input="Is anybody there?") as events:
        return events.get_final_response().output_text


def embedding(client: openai.OpenAI, model: str) -> list[float]:
    return client.embeddings.create(model=model, input=["a", "b"], dimensions=16).data[1].embedding


ACTS = [
    chat,
    chat_streamed,
    tools,
    tools_streamed,
    completion,
    completion_streamed,
    response,
    response_streamed,
    embedding,
]


def client_at(url: str, api_key: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=api_key, base_url=url, max_retries=0)


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
@pytest.mark.parametrize("act", ACTS)
def test_requests_and_responses_are_those_of_the_provider(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    base: str,
    act: Callable[[openai.OpenAI, str], object],
) -> None:
    answered_there = act(client_at(f"{provider.url}/v1", OPENAI_KEY), "gpt-5-mini")

    answered = act(client_at(gateway + base, token), "search")

    there, here = provider.requests
    assert answered == answered_there
    assert compared(here) == compared(there)
    assert credentials_in(here) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(here, token)


@pytest.mark.parametrize("act", [chat, response_streamed, embedding])
def test_it_goes_straight_through_with_the_providers_own_models(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    act: Callable[[openai.OpenAI, str], object],
) -> None:
    answered_there = act(client_at(f"{provider.url}/v1", OPENAI_KEY), "gpt-5")

    answered = act(client_at(f"{gateway}/search/v1", token), "gpt-5")

    there, here = provider.requests
    assert answered == answered_there
    assert compared(here) == compared(there)
    assert not mentions(here, token)


def test_the_azure_client_goes_straight_through(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    client = openai.AzureOpenAI(
        api_key=token,
        azure_endpoint=f"{gateway}/search",
        api_version="2024-10-21",
        max_retries=0,
    )

    answer = client.chat.completions.create(model="my-deployment", messages=HELLO)

    [request] = provider.requests
    assert answer.model == "my-deployment"
    assert request.target == (
        "/v1/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
    )
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(request, token)


def test_the_asynchronous_client_streams_several_at_once(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    async def one(client: openai.AsyncOpenAI, number: int) -> str:
        messages = [{"role": "user", "content": f"number {number}"}]
        stream = await client.chat.completions.create(
            model="search", messages=messages, stream=True
        )
        return "".join([part.choices[0].delta.content or "" async for part in stream])

    async def many() -> list[str]:
        async with openai.AsyncOpenAI(
            api_key=token, base_url=f"{gateway}/v1", max_retries=0
        ) as client:
            return await asyncio.gather(*(one(client, number) for number in range(20)))

    texts = event_loops.run(many())

    assert [text.rpartition(" ")[2] for text in texts] == [str(number) for number in range(20)]


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
def test_its_models_are_the_endpoints(
    gateway: str, token: str, endpoint: Endpoint, base: str
) -> None:
    [model] = client_at(gateway + base, token).models.list()

    assert (model.id, model.object, model.owned_by) == ("search", "model", "gatehouse")
    assert model.created == int(endpoint.created_at.timestamp())


def test_it_is_answered_with_the_providers_own_headers_and_ids(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    client = client_at(f"{gateway}/v1", token)

    answer = client.chat.completions.with_raw_response.create(model="search", messages=HELLO)

    assert answer.headers["x-gatehouse-request-id"].startswith("req_")
    assert "key=my-openai-key; model=gpt-5-mini" in answer.headers["x-gatehouse-route"]
    assert answer.parse().id == "chatcmpl-made-up"
