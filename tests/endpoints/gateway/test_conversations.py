"""The requests of one conversation go to the same route, if its endpoint asks for that."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from endpoints.gateway.http.bodies import Body
from endpoints.gateway.routing.conversations import HASHED, LARGEST, conversation_of
from endpoints.models import Endpoint, Route
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import ask

SYSTEM, HI = {"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
BYE = {"role": "user", "content": "Bye"}
CACHED = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}


def named(body: dict[str, Any] | bytes) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return conversation_of(SimpleNamespace(body=Body(raw, model_required=False)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"messages": [SYSTEM, HI]}, {"stream": True, "messages": [SYSTEM, HI, ANSWER, BYE]}),
        (
            {"system": "Be short.", "messages": [{"role": "user", "content": [CACHED]}]},
            {
                "system": "Be short.",
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]}, ANSWER, BYE
                ],
            },
        ),
        (
            {"instructions": "Be short.", "input": [HI]},
            {"instructions": "Be short.", "input": [HI, BYE]},
        ),
        (
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model"}]},
        ),
        ({"prompt_cache_key": "a", "messages": [HI]}, {"prompt_cache_key": "a", "messages": [BYE]}),
    ],
)  # fmt: skip
def test_later_requests_are_of_the_same_conversation(first: Any, later: Any) -> None:
    assert named(first) == named(later)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"messages": [SYSTEM, HI]}, {"messages": [SYSTEM, BYE]}),
        ({"system": "Be short.", "messages": [HI]}, {"system": "Be long.", "messages": [HI]}),
        ({"input": "Hi"}, {"input": "Bye"}),
        ({"prompt_cache_key": "a", "messages": [HI]}, {"prompt_cache_key": "b", "messages": [HI]}),
    ],
)
def test_others_are_not(one: Any, other: Any) -> None:
    assert named(one) != named(other)


@pytest.mark.parametrize("unset", [None, ""])
def test_an_empty_cache_key_names_no_conversation(unset: str | None) -> None:
    one, other = ({"prompt_cache_key": unset, "messages": [each]} for each in (HI, BYE))

    assert named(one) != named(other)


@pytest.mark.parametrize("unit", [b" ", b",", b'"cache_control"', b'"cache_control":', b"{"])
def test_the_time_grows_with_the_length_alone(unit: bytes) -> None:
    def seconds(size: int) -> float:
        text = json.dumps((unit * size)[:size].decode()).encode()
        body = b'{"messages":[{"role":"a"%b,"content":%b}]}' % (b" " * (size // 2), text)
        began = time.thread_time()
        named(body)
        return time.thread_time() - began

    assert seconds(HASHED) < 100 * max(seconds(HASHED // 16), 0.001)  # not 256 times


@pytest.mark.parametrize("raw", [b'{"messages":[1,{"role":2},[]]}', b'{"messages":7}', b"{}"])
def test_an_odd_body_has_one_too(raw: bytes) -> None:
    assert named(raw)


def test_of_a_large_body_the_beginning_decides() -> None:
    begin = b'{"messages":[{"role":"user","content":"' + b"x" * HASHED

    one, other = (begin + more * LARGEST + b'"}]}' for more in (b"a", b"b"))

    assert named(one) == named(other)


@pytest.mark.parametrize("sticky", [True, False])
def test_a_sticky_endpoint_keeps_a_conversation_on_one_route(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    sticky: bool,
) -> None:
    key = key_at()
    routes = [Route(api_key=key, model=f"model-{number}", weight=20) for number in range(5)]
    make_endpoint("search", routes=routes)
    Endpoint.objects.update(sticky=sticky)
    messages: list[dict[str, Any]] = [SYSTEM, HI]

    for _ in range(20):
        body = json.dumps({"model": "search", "messages": messages}).encode()
        ask(gateway, "/v1/chat/completions", body, token=token)
        messages += [ANSWER, BYE]

    models = {json.loads(request.body)["model"] for request in provider.requests}
    assert (len(models) == 1) is sticky
