"""Clients that request much and read nothing hold little memory."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from endpoints.models import Endpoint
from endpoints.usage.response_parser import MAX_WHOLE, UsageParser
from gatewayproject.demo.provider import Provider, Response

from .client import dial, written
from .server import another_process

MB = 1024 * 1024
CLIENTS = 100
LIMIT = 64 * MB
QUIET_SECONDS = 3  # without growth: then all buffers are full
PATIENCE = 60  # seconds
CHAT = "/gateway/v1/chat/completions"
HI = b'{"model":"search","messages":[]}'


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_clients_that_do_not_read_hold_little_memory(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, kind: str
) -> None:
    much = ((b"data: " + b" " * 1024 + b"\n\n") * 1024,) * 200
    provider.next_responses(
        *[Response(headers={"content-type": kind}, chunks=much) for _ in range(CLIENTS)]
    )

    with another_process() as (url, process), ExitStack() as stack:
        clients = [stack.enter_context(dial(url)) for _ in range(CLIENTS)]
        before = resident(process.pid)
        for client in clients:
            client.sendall(written(CHAT, token, HI))
        seen, last_growth = before, time.monotonic()
        while len(provider.requests) < CLIENTS or time.monotonic() - last_growth < QUIET_SECONDS:
            assert time.monotonic() - last_growth < PATIENCE
            time.sleep(0.1)
            if (now := resident(process.pid)) > seen:
                seen, last_growth = now, time.monotonic()

    assert seen - before < LIMIT


@pytest.mark.parametrize("before", ["", "Metadata"])
@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("is_last", [True, False])
def test_counts_at_the_ends_of_a_long_response_are_found(
    before: str, is_stream: bool, is_last: bool
) -> None:
    counts = (
        b'"usage%s":{"prompt_tokens":3,"details":{"a":1},"completion_tokens":4}' % before.encode()
    )
    text = b'"text":"' + rb"\"usage\":{\"prompt_tokens\":9}" * 40_000 + b'"'
    document = b"{" + b",".join([text, counts] if is_last else [counts, text]) + b"}"
    body = b"data: " + document + b"\n\ndata: [DONE]\n\n" if is_stream else document
    parser = UsageParser("text/event-stream" if is_stream else "application/json", "")

    for start in range(0, len(body), 10_007):
        parser.feed(body[start : start + 10_007])

    assert len(document) > MAX_WHOLE
    assert (parser.finish().input, parser.finish().output) == (3, 4)
