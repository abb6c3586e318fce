"""What a provider keeps for a key is asked for with that key again."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openai
import pytest
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.sealing import Secrets
from endpoints.models import Endpoint, StoredObject
from endpoints.services.stored_objects import trim_stored_objects
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import OTHER_KEY, KeyAt

from .client import Answered, ask
from .test_routes import primary

TIMES = 12  # by chance, all of them would go to one of two keys once in 2,000 runs
JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)


@pytest.fixture
def two_keys(key_at: KeyAt, make_endpoint: MakeEndpoint) -> tuple[ApiKey, ApiKey]:
    """The keys of an endpoint that draws one of them for each request."""
    first = key_at("one", secrets=Secrets(api_key=OPENAI_KEY))
    second = key_at("two", secrets=Secrets(api_key=OTHER_KEY))
    make_endpoint("search", routes=[primary(first, "gpt-5", 50), primary(second, "gpt-5", 50)])
    return first, second


def respond(gateway: str, token: str, **document: Any) -> Answered:
    """Ask for a response of the model."""
    return ask(gateway, "/v1/responses", {"model": "search", **document}, token=token)


def keys_used(provider: Provider) -> list[str]:
    """Return the credential of each request that the provider received."""
    return [
        dict(request.headers)["authorization"].removeprefix("Bearer ")
        for request in provider.requests
    ]


def response_with(name: str, **more: Any) -> Response:
    return Response(headers=JSON, body=json.dumps({"id": name, **more}).encode())


REFERENCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "the previous response": lambda name: {"previous_response_id": name, "input": "Go on"},
    "a conversation": lambda name: {"conversation": {"id": name}, "input": "Go on"},
    "a reasoning item": lambda name: {
        "input": [{"type": "reasoning", "id": name, "encrypted_content": "gAAAA"}]
    },
    "a file": lambda name: {
        "input": [{"role": "user", "content": [{"type": "input_file", "file_id": name}]}]
    },
}
NAMES = ("resp_0123456789", "conv_0123456789", "rs_0123456789", "file-0123456789")


@pytest.mark.parametrize(
    ("refer", "name"), list(zip(REFERENCES.values(), NAMES, strict=True)), ids=REFERENCES
)
def test_a_request_goes_to_the_key_that_created_what_it_refers_to(
    gateway: str,
    provider: Provider,
    token: str,
    two_keys: tuple[ApiKey, ApiKey],
    refer: Callable[[str], dict[str, Any]],
    name: str,
) -> None:
    provider.next_responses(response_with("resp_first00001", output=[{"id": name}]))
    respond(gateway, token, input="Hello")

    for _ in range(TIMES):
        respond(gateway, token, **refer(name))

    assert len(set(keys_used(provider))) == 1
    assert len(keys_used(provider)) == TIMES + 1


def test_what_a_stream_created_is_remembered_before_the_client_knows(
    gateway: str, provider: Provider, token: str, two_keys: tuple[ApiKey, ApiKey]
) -> None:
    created = {"type": "response.created", "response": {"id": "resp_streamed001"}}
    delta = {"type": "response.output_text.delta", "delta": "Hi"}
    completed = {"type": "response.completed", "response": {"id": "resp_streamed001"}}
    chunks = [f"data: {json.dumps(each)}\n\n".encode() for each in (created, delta, completed)]
    provider.next_responses(Response(headers=EVENTS, chunks=chunks, pause=0.02))
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)

    for event in client.responses.create(model="search", input="Hello", stream=True):
        if event.type == "response.created":
            assert StoredObject.objects.count() == 1
    for _ in range(TIMES):
        respond(gateway, token, previous_response_id="resp_streamed001")

    assert len(set(keys_used(provider))) == 1


def test_paths_name_what_was_created_too(
    gateway: str, provider: Provider, token: str, two_keys: tuple[ApiKey, ApiKey]
) -> None:
    used = set()
    for number in range(TIMES):
        provider.next_responses(response_with(f"resp_{number:010}"))
        respond(gateway, token, input="Hello")
        ask(gateway, f"/v1/responses/resp_{number:010}", token=token, method="GET")
        created, read = keys_used(provider)[-2:]
        assert created == read
        used.add(created)

    assert len(used) == 2


def test_a_withdrawn_key_is_a_clear_error(
    gateway: str, provider: Provider, token: str, two_keys: tuple[ApiKey, ApiKey]
) -> None:
    provider.next_responses(response_with("resp_lost000001"))
    respond(gateway, token, input="Hello")
    creator = StoredObject.objects.get().api_key
    endpoint = Endpoint.objects.get()
    endpoint.routes.filter(api_key=creator).delete()
    endpoint.routes.create(api_key=None, model="gpt-5")
    asked = len(provider.requests)

    answer = respond(gateway, token, previous_response_id="resp_lost000001")

    assert (answer.status, answer.code) == (404, "stored_with_another_key")
    assert answer.headers["x-should-retry"] == "false"
    assert len(provider.requests) == asked


def test_an_unknown_id_is_no_reason_to_refuse(
    gateway: str, provider: Provider, token: str, two_keys: tuple[ApiKey, ApiKey]
) -> None:
    answer = respond(gateway, token, previous_response_id="resp_unknown0001")

    assert answer.status == 200


def test_the_name_of_a_function_is_no_object(
    gateway: str, provider: Provider, token: str, two_keys: tuple[ApiKey, ApiKey]
) -> None:
    """Tools are repeated in responses, with names that begin as IDs do."""
    tools = [{"type": "function", "name": "upload_document_v2"}]
    metadata = {"id": "upload_document"}
    provider.next_responses(response_with("resp_first00001", tools=tools, metadata=metadata))
    respond(gateway, token, input="Hello", tools=tools, metadata=metadata)

    for name in ("upload_document_v2", "upload_document"):
        for _ in range(TIMES):
            respond(gateway, token, input="Hello", tools=[{"type": "function", "name": name}])

    used = keys_used(provider)[1:]
    assert len(set(used[:TIMES])) == len(set(used[TIMES:])) == 2
    assert StoredObject.objects.count() == 1


def test_a_client_cannot_close_other_endpoints_with_an_id_of_its_choice(
    gateway: str,
    provider: Provider,
    token: str,
    two_keys: tuple[ApiKey, ApiKey],
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    others = [primary(key_at(name), "gpt-5", 50) for name in ("three", "four")]
    make_endpoint("other", routes=others)
    tool = "upload_document_v2"
    provider.next_responses(response_with("resp_first00001", metadata={"id": tool}))
    respond(gateway, token, input="Hello", metadata={"id": tool})
    assert StoredObject.objects.count() == 2

    answer = respond(gateway, token, model="other", tools=[{"type": "function", "name": tool}])

    assert answer.status == 200


def test_an_endpoint_with_one_key_remembers_nothing(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, "gpt-5", 50), primary(key, "gpt-4", 50)])
    provider.next_responses(response_with("resp_0000000001"))

    respond(gateway, token, input="Hello")

    assert not StoredObject.objects.exists()


@pytest.mark.django_db
def test_objects_of_long_ago_are_forgotten() -> None:
    now = timezone.now()
    for days in (1, 99, 101):
        StoredObject.objects.create(digest=str(days), created_at=now - timedelta(days=days))

    assert trim_stored_objects(keep_days=100, dry_run=True) == 1
    assert trim_stored_objects(keep_days=100) == 1
    assert set(StoredObject.objects.values_list("digest", flat=True)) == {"1", "99"}
