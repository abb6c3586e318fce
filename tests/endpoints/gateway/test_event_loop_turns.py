"""No response of a provider, whatever its shape, is much work for one turn of the event loop."""

import asyncio
import socket
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from apikeys.catalogue.provider_errors import MAX_BODY, facts_of, meaning_of
from endpoints.gateway.http.bodies import Body, at_once, outline_of
from endpoints.gateway.routing.error_responses import MAX_ERROR, ErrorBody
from endpoints.gateway.routing.event_stream import EventStream
from endpoints.gateway.upstream.aiohttp_client import BUFFER, AiohttpUpstream
from endpoints.gateway.upstream.client import Request
from endpoints.usage.response_parser import MAX_LINES, MAX_WHOLE, UsageParser

from .event_loops import run

MAX_STEPS = 60_000  # about 10 ms without the tracing
HEADERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
AT_ONCE = 256 * 1024  # bytes that one read brings


def of_size(size: int, begin: bytes, again: bytes, end: bytes = b"") -> bytes:
    return begin + again * ((size - len(begin) - len(end)) // len(again)) + end


def steps_of(act: Any, *args: Any) -> int:
    """Return how many lines of Python run and how many functions written in C are called.

    Unlike time, it is the same on every machine. ``tests/benchmarks/turns.py`` measures the time.
    """
    steps = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal steps
        steps += event == "line"
        return trace

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal steps
        steps += event == "c_call"

    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        act(*args)
    finally:
        sys.setprofile(profiler)
        sys.settrace(tracer)
    return steps


@contextmanager
def provider_of(response: bytes) -> Iterator[str]:
    """Serve one request with ``response``, and yield the URL."""

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


@pytest.mark.parametrize(
    "chunk", [b"1\r\nx\r\n", b"1;a=b\r\nx\r\n", b"10\r\n" + b"x" * 16 + b"\r\n"]
)
def test_many_small_chunks_are_parsed_and_read_in_many_turns(settings: Any, chunk: bytes) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    count = 4 * AT_ONCE // len(chunk)
    turns, sizes = 0, []

    async def read(url: str) -> None:
        loop = asyncio.get_running_loop()

        def turn() -> None:
            nonlocal turns
            turns += 1
            loop.call_soon(turn)

        upstream = AiohttpUpstream(connect_seconds=5)
        answer = await upstream.send(Request("GET", url, [], b""))
        turn()
        turns_before = turns
        async for part in answer.chunks():
            sizes.append(len(part))
        assert turns - turns_before >= len(sizes) - 1
        answer.close()
        await upstream.close()

    with provider_of(HEADERS + chunk * count + b"0\r\n\r\n") as url:
        run(read(url))

    body = chunk.split(b"\r\n")[1]
    assert sum(sizes) == count * len(body)
    assert max(sizes) <= len(body) * (BUFFER // 16 + 2)


DOCUMENTS = {
    "lists": of_size(MAX_WHOLE, b'{"x":[', b"[],", b"1]}"),
    "numbers": of_size(MAX_WHOLE, b'{"x":[', b"1,", b"1]}"),
    "keys": of_size(MAX_WHOLE, b"{", b'"a":1,', b'"a":1}'),
    "lists in a message": of_size(MAX_WHOLE, b'{"message":[', b"[],", b"1]}"),
    "lists in a response": of_size(MAX_WHOLE, b'{"response":{"x":[', b"[],", b"1]}}"),
    "array": of_size(MAX_WHOLE, b"[", b"{},", b"{}]"),
    "array of counts": of_size(MAX_WHOLE, b"[", b'{"usage":{}},', b"{}]"),
    "many counts": of_size(MAX_WHOLE, b"{", b'"usage":{"prompt_tokens":1},', b'"a":1}'),
    "deep": of_size(MAX_WHOLE, b'{"message":', b"["),
    "space": of_size(MAX_WHOLE, b"", b" ", b"{}"),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_counts_are_looked_for_in_a_document_of_any_shape(document: bytes) -> None:
    def read() -> None:
        parser = UsageParser("application/json", "")
        parser.feed(document)
        parser.finish()

    assert steps_of(read) <= MAX_STEPS


@pytest.mark.parametrize("begin", [b'{"model":"search","x":"', b'{"x":"'])
def test_the_model_is_put_into_a_large_body_with_one_copy(begin: bytes) -> None:
    raw = of_size(4 * 1024 * 1024, begin, b"x" * 1024, b'"}')
    body = Body(raw, False, at_once(outline_of(raw)))
    tracemalloc.start()

    body.with_model("gpt-5")

    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1.5 * len(raw)


EVENTS = [b"\n\n", b":\n\n", b"data: error\n\n", b'data:{"error":0}\n\n', b"event:error\n\n"]
CONTENT = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'


@pytest.mark.parametrize("begin", [b"", CONTENT])
@pytest.mark.parametrize("event", EVENTS)
def test_a_chunk_of_many_events_is_looked_through(event: bytes, begin: bytes) -> None:
    chunk = of_size(AT_ONCE, b"", event)

    def read() -> None:
        stream = EventStream()
        stream.pass_on(begin)
        stream.pass_on(chunk)

    assert steps_of(read) <= MAX_STEPS


def test_the_end_of_a_stream_is_looked_for_in_large_chunks() -> None:
    chunk = of_size(AT_ONCE, b"", b'"', b"\n\n")
    stream = EventStream(needs_answer=False)

    assert steps_of(stream.pass_on, chunk) <= MAX_STEPS
    assert steps_of(stream.has_end) <= MAX_STEPS


LINES = {
    "empty": of_size(AT_ONCE, b"sage", b"\n"),
    "other": of_size(AT_ONCE, b"", b"sage\n"),
    "no JSON": of_size(AT_ONCE, b"", b"data:sage\n"),
    "counts": of_size(AT_ONCE, b"", b'data:{"usage":{}}\n'),
    "lists": of_size(AT_ONCE, b'data:{"message":[', b"[],", b'"usage"]}\n'),
}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_counts_are_looked_for_in_lines_of_any_shape(lines: bytes, encoding: str) -> None:
    if encoding:
        deflate = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        lines = deflate.compress(lines * (MAX_WHOLE // len(lines))) + deflate.flush()

    assert steps_of(lambda: UsageParser("text/event-stream", encoding).feed(lines)) <= MAX_STEPS


def test_of_too_many_lines_with_counts_the_first_and_the_last_are_read() -> None:
    parser = UsageParser("text/event-stream", "")
    start = b'data: {"message":{"usage":{"input_tokens":8}}}\n'
    ends = [b'data: {"usage":{"output_tokens":%d}}\n' % n for n in range(2 * MAX_LINES)]

    parser.feed(start + b"".join(ends))

    tokens = parser.finish()
    assert (tokens.input, tokens.output) == (8, 2 * MAX_LINES - 1)


ERRORS = {
    "quotes": of_size(MAX_ERROR, b"", rb"\""),
    "letters": of_size(MAX_ERROR, b"", rb"\u0041"),
    "lists": of_size(MAX_ERROR, b'{"error":{"details":[', b"[],", b"1]}}"),
    "objects": of_size(MAX_ERROR, b'{"error":{"details":[', b"{},", b"{}]}}"),
    "list of errors": of_size(MAX_ERROR, b"[", b'{"error":{"details":[]}},', b"{}]"),
    "keys": of_size(MAX_ERROR, b"{", b'"a":1,', b'"a":1}'),
    "deep": of_size(MAX_ERROR, b"", b'{"error":'),
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("size", [MAX_BODY, MAX_ERROR])
def test_an_error_of_any_shape_is_read(body: bytes, size: int) -> None:
    def read(body: bytes) -> None:
        meaning_of(facts_of(400, [], body))

    assert steps_of(read, body[:size]) <= MAX_STEPS


def test_each_layer_of_an_escaped_error_has_a_turn() -> None:
    turns = 0

    async def censor() -> bytes | None:
        def turn() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(turn)

        turn()
        return await ErrorBody(b"\\" * MAX_ERROR).censored([b"sk-made-up-secret"])

    assert run(censor()) == b"\\" * MAX_ERROR
    assert turns > 3
