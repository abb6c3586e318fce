"""Streams of events: when the first content is there, what an event says, and where it ends."""

import json
import random
from typing import Any

import pytest

from endpoints.gateway.routing import event_stream
from endpoints.gateway.routing.event_stream import LARGEST_EVENT, EventStream, Kind, kind_of


def event(data: Any, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


ROLE = event(chunk(role="assistant", content=""))
CONTENT = event(chunk(content="Hello"))
DONE = event("[DONE]")

NOTHING = {
    "a comment": b": keep-alive\n\n",
    "a role": ROLE,
    "a role without content": event(chunk(role="assistant")),
    "a refusal of null": event(chunk(role="assistant", content=None, refusal=None)),
    "no choice": event({"choices": [], "prompt_filter_results": [{}]}),
    "an empty text": event({"choices": [{"text": "", "index": 0}]}),
    "a ping": event({"type": "ping"}, "ping"),
    "the start of a message": event({"type": "message_start", "message": {}}, "message_start"),
    "a response begun": event({"type": "response.created", "response": {"error": None}}),
    "a response in progress": event({"type": "response.in_progress", "response": {}}),
    "Google's counts": event({"usageMetadata": {"promptTokenCount": 4}}),
    "an event without data": b"event: hint\nid: 4\nretry: 10\n\n",
}
CONTENTS = {
    "text": CONTENT,
    "a tool": event(chunk(role="assistant", tool_calls=[{"index": 0}])),
    "thoughts": event(chunk(role="assistant", content="", reasoning_content="Hm")),
    "a refusal": event(chunk(content=None, finish="content_filter")),
    "a text of the older API": event({"choices": [{"text": "Hi"}]}),
    "a block": event({"type": "content_block_start", "content_block": {}}, "content_block_start"),
    "an item": event({"type": "response.output_item.added", "item": {}}),
    "a candidate": event({"candidates": [{"content": {}}], "usageMetadata": {}}),
    "a blocked prompt": event({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}),
    "what is not JSON": event("Hello"),
    "a list": event([1]),
    "something unknown": event({"type": "transcript.text.delta", "delta": "Hi"}),
}
ERRORS = {
    "OpenAI's": event({"error": {"message": "overloaded", "type": "server_error"}}),
    "OpenAI's in responses": event({"type": "error", "code": "x", "message": "y"}),
    "a failed response": event({"type": "response.failed", "response": {"error": {"code": "x"}}}),
    "Anthropic's": event({"type": "error", "error": {"type": "overloaded_error"}}, "error"),
    "Google's": event({"error": {"code": 503, "status": "UNAVAILABLE"}}),
    "OpenRouter's": event({"choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}),
    "a text": event({"error": "busy"}),
    "by its name": event("busy", "error"),
}


def cases(named: dict[str, bytes]) -> Any:
    return pytest.mark.parametrize("one", named.values(), ids=named)


@cases(NOTHING)
def test_what_precedes_the_content_is_held_back(one: bytes) -> None:
    stream = EventStream()

    assert kind_of(one) is Kind.NOTHING
    assert stream.pass_on(one) == b""
    assert stream.pass_on(CONTENT) == one + CONTENT


@cases(CONTENTS)
def test_content_is_passed_on_at_once(one: bytes) -> None:
    stream = EventStream()

    assert stream.pass_on(ROLE + one) == ROLE + one
    assert not stream.has_error


@cases(ERRORS)
def test_an_error_before_the_content_is_no_answer(one: bytes) -> None:
    stream = EventStream()

    assert stream.pass_on(ROLE + one) == b""
    assert stream.is_without_answer
    assert stream.has_error
    assert stream.rest() == ROLE + one


@cases(ERRORS)
def test_an_error_after_the_content_is_passed_on_and_noticed(one: bytes) -> None:
    stream = EventStream()

    assert stream.pass_on(CONTENT) == CONTENT
    assert stream.pass_on(one) == one
    assert stream.has_error
    assert not stream.is_without_answer


def test_content_about_errors_is_no_error() -> None:
    stream = EventStream()
    about = event(chunk(content='event: error\ndata: {"error": "x", "finish_reason": "error"}'))

    assert stream.pass_on(about) == about
    assert not stream.has_error
    assert not stream.has_end()


def test_an_end_before_the_content_is_no_answer() -> None:
    stream = EventStream()

    assert stream.pass_on(ROLE + DONE) == b""
    assert stream.is_without_answer
    assert not stream.has_error


@pytest.mark.parametrize(
    "end",
    [
        DONE,
        event(chunk(finish="stop")),
        event({"type": "message_stop"}, "message_stop"),
        event({"type": "response.completed", "response": {}}),
        event({"candidates": [{"finishReason": "STOP"}]}),
    ],
)
def test_the_end_is_noticed(end: bytes) -> None:
    stream = EventStream()
    stream.pass_on(CONTENT)
    assert not stream.has_end()

    stream.pass_on(end)

    assert stream.has_end()


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_every_byte_is_passed_on_however_it_is_cut(newline: bytes) -> None:
    chance = random.Random(4)
    whole = b"".join([*NOTHING.values(), *CONTENTS.values(), *ERRORS.values(), DONE])
    whole = whole.replace(b"\n", newline) + b"data: unfinished"
    for _ in range(200):
        stream, passed, rest = EventStream(), b"", whole
        while rest:
            size = chance.choice([1, 2, 7, 40, 400])
            passed += stream.pass_on(rest[:size])
            rest = rest[size:]
        assert passed + stream.rest() == whole


def test_an_unfinished_event_is_held_back_until_it_is_whole() -> None:
    stream = EventStream()
    stream.pass_on(CONTENT)

    assert stream.pass_on(CONTENT + CONTENT[:20]) == CONTENT
    assert not stream.is_torn
    assert stream.pass_on(CONTENT[20:]) == CONTENT


def test_a_large_event_is_passed_on_in_pieces() -> None:
    stream = EventStream()
    large = event({"type": "image", "b64": "A" * (3 * LARGEST_EVENT)})
    size = LARGEST_EVENT + 100

    passed = [stream.pass_on(large[:size]), stream.pass_on(large[size:])]

    assert passed == [large[:size], large[size:]]
    assert not stream.is_torn


def test_a_large_event_that_breaks_off_is_torn() -> None:
    stream = EventStream()

    stream.pass_on(event("x")[:-2] + b"A" * (LARGEST_EVENT + 1))

    assert stream.is_torn


def test_no_more_than_8_kilobytes_are_held_back() -> None:
    stream, passed, fed = EventStream(), b"", b""
    while not passed:
        fed += ROLE
        passed = stream.pass_on(ROLE)

    assert passed == fed
    assert len(fed) <= event_stream.MOST_HELD + len(ROLE)


def test_nothing_is_held_back_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = EventStream()
    assert stream.pass_on(ROLE) == b""
    monkeypatch.setattr(event_stream, "LONGEST_HOLD", -1)

    assert stream.pass_on(b": ping\n\n") == ROLE + b": ping\n\n"


@pytest.mark.parametrize("size", [1, 400_000])
@pytest.mark.parametrize(("kind", "is_end"), [("completed", True), ("in_progress", False)])
def test_a_large_event_is_known_by_its_beginning(size: int, kind: str, is_end: bool) -> None:
    """The last one of OpenAI's responses repeats the whole response."""
    event = b'data: {"type":"response.%b","text":"%b"}\n\n' % (kind.encode(), b"x" * size)
    stream = EventStream(needs_answer=False)

    for start in range(0, len(event), 64 * 1024):
        stream.pass_on(event[start : start + 64 * 1024])

    assert stream.has_end() is is_end
