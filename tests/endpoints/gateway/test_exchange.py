"""The client's side of a request, without a server."""

from typing import Any

import pytest

from endpoints.gateway.http.exchange import PIECE, Exchange

from .event_loops import run


def answered(body: bytes, method: str = "GET", status: int = 200) -> list[dict[str, Any]]:
    """Return what is sent to the server."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read")

    run(Exchange(method, receive, send).respond(status, [(b"a", b"b")], body))
    return sent


@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (0, [0]),
        (1, [1]),
        (PIECE - 1, [PIECE - 1]),
        (PIECE, [PIECE]),
        (PIECE + 1, [PIECE, 1]),
        (2 * PIECE, [PIECE, PIECE]),
        (2 * PIECE + 5, [PIECE, PIECE, 5]),
    ],
)
def test_a_body_is_sent_whole_in_pieces(size: int, pieces: list[int]) -> None:
    body = bytes(number % 251 for number in range(size))

    start, *parts = answered(body)

    assert (b"content-length", b"%d" % size) in start["headers"]
    assert [len(part["body"]) for part in parts] == pieces
    assert b"".join(part["body"] for part in parts) == body
    assert [part.get("more_body", False) for part in parts] == [True] * (len(pieces) - 1) + [False]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_has_none(method: str, status: int) -> None:
    _, part = answered(b"a" * (PIECE + 1), method, status)

    assert part == {"type": "http.response.body", "body": b""}
