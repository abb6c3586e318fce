"""Responses with status 200 and no answer: the next route is tried, and the error is counted."""

import json
from typing import Any

import anthropic
import openai
import pytest

from apikeys.models import ApiKey
from endpoints.usage.models import ALL_TIME, UsageBucket
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import chat, eventually
from .test_routes import fallback, models_in, primary

EVENTS = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)
CHUNK = {"id": "c", "object": "chat.completion.chunk"}
ROLE = f"data: {json.dumps(CHUNK | {'choices': [{'delta': {'role': 'assistant'}}]})}\n\n".encode()
CONTENT = ROLE.replace(b'"role": "assistant"', b'"content": "Hi"')
STOP = ROLE.replace(b'{"role": "assistant"}', b'{}, "finish_reason": "stop"')
DONE = b"data: [DONE]\n\n"
OVERLOADED = b'data: {"error": {"message": "Overloaded today", "type": "server_error"}}\n\n'


def events(*chunks: bytes, **more: Any) -> Response:
    return Response(headers=EVENTS, chunks=list(chunks), pause=0.02, **more)


STREAMS = {
    "an error at once": events(OVERLOADED),
    "an error after a ping": events(b": ping\n\n", OVERLOADED),
    "an error after the role": events(ROLE, OVERLOADED),
    "an error within the chunk of the role": events(ROLE + OVERLOADED),
    "an error, as Anthropic spells it": events(
        b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'
    ),
    "nothing": events(),
    "only the end": events(DONE),
    "the role and the end": events(ROLE, DONE),
    "only comments": events(b": one\n\n", b": two\n\n"),
    "a cut after the role": events(ROLE, close=True),
    "a cut within the first event": events(CONTENT[:20], close=True),
}
WHOLE = {
    "an error": Response(headers=JSON, body=b'{"error": {"message": "Overloaded today"}}'),
    "an error as text": Response(headers=JSON, body=b'{"error": "Overloaded today"}'),
    "an empty body": Response(headers=JSON, body=b""),
    "an empty body in chunks": Response(headers=JSON, chunks=[]),
    "a failed choice": Response(
        headers=JSON, body=b'{"choices": [{"finish_reason": "error", "error": {"code": 502}}]}'
    ),
}


def cases(named: dict[str, Response]) -> Any:
    return pytest.mark.parametrize("response", named.values(), ids=named)


@pytest.fixture
def two_routes(key_at: KeyAt, make_endpoint: MakeEndpoint) -> None:
    key = key_at()
    make_endpoint("search", routes=[primary(key, "gpt-4"), fallback(key, "gpt-5")])


def counted(column: str, model: str = "gpt-4") -> int:
    """Return a count of the route to ``model``, once it is written."""
    rows = UsageBucket.objects.filter(hour=ALL_TIME, model=model)
    return getattr(eventually(rows.first), column)


@cases(STREAMS)
def test_a_stream_without_an_answer_is_followed_by_the_next_route(
    gateway: str, provider: Provider, token: str, two_routes: None, response: Response
) -> None:
    provider.next_responses(response)

    answer = chat(gateway, token, stream=True)

    assert answer.status == 200
    assert b"Overloaded" not in answer.body
    assert answer.body.endswith(DONE)
    assert models_in(provider) == ["gpt-4", "gpt-5"]


@cases(WHOLE)
def test_a_whole_response_without_an_answer_is_followed_by_the_next_route(
    gateway: str, provider: Provider, token: str, two_routes: None, response: Response
) -> None:
    provider.next_responses(response)

    answer = chat(gateway, token)

    assert answer.status == 200
    assert answer.json()["choices"]
    assert models_in(provider) == ["gpt-4", "gpt-5"]


@cases({name: STREAMS[name] for name in ("an error at once", "an error after the role")})
def test_an_error_that_no_other_route_makes_good_reaches_sdks_with_its_message(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    response: Response,
) -> None:
    make_endpoint("search", key_at())
    provider.next_responses(response)
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)

    with pytest.raises(openai.APIStatusError, match="Overloaded today") as raised:
        client.chat.completions.create(model="search", messages=[], stream=True)

    assert raised.value.status_code == 502


def test_an_empty_stream_that_no_other_route_makes_good_is_an_error(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("claude", key_at("my-anthropic-key", "anthropic"))
    provider.next_responses(events())
    client = anthropic.Anthropic(api_key=token, base_url=gateway, max_retries=0)

    with (
        pytest.raises(anthropic.APIStatusError, match="had status 200, but no content"),
        client.messages.stream(model="claude", max_tokens=9, messages=[]) as stream,
    ):
        stream.get_final_message()


def test_an_error_of_the_account_within_a_stream_counts_as_one(
    gateway: str, provider: Provider, token: str, two_routes: None
) -> None:
    error = {"code": "insufficient_quota", "message": "You exceeded your current quota."}
    provider.next_responses(events(f"data: {json.dumps({'error': error})}\n\n".encode()))

    assert chat(gateway, token, stream=True).status == 200
    assert counted("account_errors") == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_status_within_a_response_of_success_marks_no_key(
    gateway: str, provider: Provider, token: str, two_routes: None, code: int
) -> None:
    error = {"code": code, "message": "No auth credentials found"}
    provider.next_responses(Response(headers=JSON, body=json.dumps({"error": error}).encode()))

    assert chat(gateway, token).status == 200
    assert counted("provider_errors") == 1
    assert not ApiKey.objects.exclude(refused_at=None).exists()


HEALTHY = [
    [ROLE, CONTENT, CONTENT, STOP, DONE],
    [ROLE + CONTENT + STOP + DONE],
    [b": OPENROUTER PROCESSING\n\n", ROLE, b": OPENROUTER PROCESSING\n\n", CONTENT, STOP, DONE],
    [ROLE[:10], ROLE[10:] + CONTENT[:30], CONTENT[30:], STOP, DONE],
    [(ROLE + CONTENT + STOP + DONE).replace(b"\n", b"\r\n")],
]


@pytest.mark.parametrize("chunks", HEALTHY)
def test_a_healthy_stream_is_passed_on_byte_for_byte(
    gateway: str, provider: Provider, token: str, two_routes: None, chunks: list[bytes]
) -> None:
    provider.next_responses(events(*chunks))

    answer = chat(gateway, token, stream=True)

    assert answer.body == b"".join(chunks)
    assert counted("provider_errors") == 0


@pytest.mark.parametrize(
    "ending", [[OVERLOADED], [], [OVERLOADED, DONE]], ids=["an error", "no end", "an error, done"]
)
def test_a_stream_that_fails_after_content_counts_as_the_providers_error(
    gateway: str, provider: Provider, token: str, two_routes: None, ending: list[bytes]
) -> None:
    provider.next_responses(events(ROLE, CONTENT, *ending))

    answer = chat(gateway, token, stream=True)

    assert answer.body == b"".join([ROLE, CONTENT, *ending])
    assert models_in(provider) == ["gpt-4"]
    assert counted("provider_errors") == 1


def test_a_silent_stream_gets_comments_if_the_operator_asks_for_them(
    gateway: str, provider: Provider, token: str, two_routes: None, settings: Any
) -> None:
    settings.GATEWAY_SSE_KEEP_ALIVE_SECONDS = 0.2
    provider.next_responses(
        Response(headers=EVENTS, chunks=[CONTENT, CONTENT, STOP, DONE], pause=0.7)
    )

    body = chat(gateway, token, stream=True).body

    assert body.count(b": keep-alive\n\n") >= 3
    assert body.replace(b": keep-alive\n\n", b"") == CONTENT + CONTENT + STOP + DONE
