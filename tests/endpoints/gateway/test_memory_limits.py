"""What one client can make the gateway hold or do: bounded, and said in the client's dialect."""

import json
import socket
from typing import Any

import pytest

from endpoints.models import Endpoint, GatewayToken
from endpoints.services import create_token, revoke_token
from gatewayproject import asgi
from gatewayproject.accounts.actors import Actor
from gatewayproject.demo.provider import Provider, Response

from .client import ask, chat, dial, eventually, read_to_the_end, speak, written
from .server import Served

CHAT = "/gateway/v1/chat/completions"
MESSAGES = "/gateway/anthropic/v1/messages"
UNREADABLE = [b"", b"{", b"[" * 100_000, b'{"x":' + b"[]," * 5000, b"\xff" * 15_000]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_unknown_token_is_refused_whatever_the_body_holds(
    gateway: str, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr("endpoints.gateway.http.bodies._decode", None)  # would fail if it were read

    answer = ask(gateway, "/v1/chat/completions", body, token="gh_" + "a" * 43)

    assert (answer.status, answer.code) == (401, "unknown_token")


def test_a_revoked_token_is_refused_whatever_the_body_holds(
    gateway: str, token: str, endpoint: Endpoint, by: Actor
) -> None:
    assert chat(gateway, token).status == 200
    revoke_token(GatewayToken.objects.get(), by=by)

    answer = ask(gateway, "/v1/chat/completions", b"{", token=token)

    assert (answer.status, answer.code) == (401, "token_revoked")


@pytest.mark.parametrize("credentials", ["", "gh_" + "a" * 43])
def test_the_body_of_an_unknown_client_is_not_waited_for(gateway: str, credentials: str) -> None:
    head, _, _ = written(CHAT, credentials, b"", close=False).partition(b"\r\n\r\n")
    head = head.replace(b"Content-Length: 0", b"Content-Length: 30000000")

    received = speak(gateway, head + b"\r\n\r\n{")

    assert received.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in received


def test_a_wrong_token_with_a_small_body_keeps_the_connection(gateway: str) -> None:
    request = written(CHAT, "gh_wrong", b"{}", close=False)

    received = speak(gateway, request + written(CHAT, "gh_wrong", b"{}"))

    assert received.count(b"HTTP/1.1 401 ") == 2


@pytest.fixture
def small_limits(settings: Any, served: Served, gateway: str) -> None:
    """A gateway that holds 2 MB in all, and 1 MB for each token."""
    settings.GATEWAY_BUFFER_MB, settings.GATEWAY_TOKEN_BUFFER_MB = 2, 1
    served.start_afresh()


def bytes_held() -> int:
    return sum(gateway._memory.used for gateway in asgi._gateways.values())


def half_sent(gateway: str, token: str, size: int) -> socket.socket:
    """Send all of a body but its last byte."""
    body = json.dumps({"model": "search", "messages": [], "user": "a" * size}).encode()
    client = dial(gateway)
    client.sendall(written(CHAT, token, body)[:-1])
    return client


@pytest.mark.usefixtures("small_limits")
def test_a_token_holds_no_more_than_its_share(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, by: Actor
) -> None:
    other = create_token(GatewayToken(name="other", all_endpoints=True), [], by=by)
    body = {"model": "search", "messages": [], "user": "a" * 600_000}
    with half_sent(gateway, token, 600_000) as first:
        eventually(lambda: bytes_held() > 590_000, seconds=20)

        def refused() -> Any:
            answer = ask(gateway, "/anthropic/v1/messages", body, token=token)
            return answer if answer.status == 429 else None

        answer = eventually(refused, seconds=20)
        assert answer.code == "token_buffer_full"
        assert answer.json()["type"] == "error"
        assert answer.headers["retry-after"] == "1"
        assert ask(gateway, "/v1/chat/completions", body, token=other).status == 200

        first.sendall(b"}")
        assert read_to_the_end(first).startswith(b"HTTP/1.1 200 ")
    assert ask(gateway, "/v1/chat/completions", body, token=token).status == 200


@pytest.mark.usefixtures("small_limits")
def test_a_process_holds_no_more_than_its_share(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, by: Actor
) -> None:
    others = [
        create_token(GatewayToken(name=f"t{number}", all_endpoints=True), [], by=by)
        for number in range(2)
    ]
    clients = [half_sent(gateway, other, 900_000) for other in others]
    eventually(lambda: bytes_held() > 1_800_000, seconds=20)
    body = {"model": "search", "messages": [], "user": "a" * 600_000}

    def refused() -> Any:
        answer = ask(gateway, "/v1/chat/completions", body, token=token)
        return answer if answer.status == 503 else None

    answer = eventually(refused, seconds=20)
    assert answer.code == "gateway_buffer_full"
    assert answer.headers["retry-after"] == "1"

    for client in clients:
        client.close()
    eventually(lambda: ask(gateway, "/v1/chat/completions", body, token=token).status == 200)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(
    ("status", "size", "is_held", "is_whole"),
    [
        (200, 64 * 1024, True, True),
        (200, 600_000, False, True),  # too much for this token: streamed
        (400, 60_000, True, True),
        (400, 200_000, True, False),
    ],
)
def test_a_response_is_held_as_a_whole_only_while_there_is_room(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    status: int,
    size: int,
    is_held: bool,
    is_whole: bool,
) -> None:
    body = b"a" * size
    answer = Response(status=status, body=body, headers=[("Content-Type", "text/plain")])
    provider.next_responses(answer, answer)
    alone = chat(gateway, token)
    assert (alone.status, alone.body) == (status, body)
    assert alone.headers["content-length"] == str(size)

    with half_sent(gateway, token, 900_000):
        eventually(lambda: bytes_held() > 900_000, seconds=20)
        beside = chat(gateway, token)

    assert beside.status == status
    assert ("content-length" in beside.headers) == is_held
    assert (beside.body == body) == is_whole
    assert len(beside.body) >= min(size, 64 * 1024)
    eventually(lambda: bytes_held() == 0, seconds=20)


@pytest.mark.parametrize("model", [b'"Model":"other"', b'"\\u004dODEL":"other"'])
def test_a_second_model_in_other_case_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, model: bytes
) -> None:
    body = b'{"model":"search","messages":[],%b}' % model

    answer = ask(gateway, "/v1/chat/completions", body, token=token)

    assert (answer.status, answer.code) == (400, "no_model")
    assert not provider.requests
