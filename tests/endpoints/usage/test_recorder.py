"""What went through is counted, and the counts are in the database soon after."""

import gzip
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import anthropic
import brotli
import openai
import pytest
from google import genai

from apikeys.models import ApiKey
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.usage import recorder
from endpoints.usage.content_encoding import zstd
from endpoints.usage.counts import FIRST_BYTES, LATENCIES, Counts, Outcome
from endpoints.usage.models import ALL_TIME, UsageBucket
from endpoints.usage.response_parser import UsageParser
from endpoints.usage.services import UsageKey, UsageOwner
from gatewayproject.demo.provider import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Provider,
    Response,
)
from tests.conftest import MakeEndpoint
from tests.endpoints.gateway.client import HELLO, chat, dial, eventually, written
from tests.endpoints.gateway.event_loops import run
from tests.endpoints.gateway.server import another_process, another_process_running
from tests.gateway_fixtures import KeyAt

pytestmark = pytest.mark.usefixtures("nothing_slips_out")

SOON = 2.5  # seconds
COUNTED = (INPUT_TOKENS, OUTPUT_TOKENS, CACHED_TOKENS)
STREAM_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def all_time(**filters: object) -> UsageBucket | None:
    return UsageBucket.objects.filter(hour=ALL_TIME, **filters).first()


def counted(requests: int = 1, *, seconds: float = SOON) -> UsageBucket:
    """Return the row of all time once it counts that many requests."""

    def row() -> UsageBucket | None:
        found = all_time()
        return found if found and found.requests >= requests else None

    return eventually(row, seconds=seconds)


def tokens_of(bucket: UsageBucket) -> tuple[int, int, int]:
    return bucket.input_tokens, bucket.output_tokens, bucket.cached_tokens


@pytest.fixture(autouse=True)
def quickly_written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write counts more often than every second, where it is not the time that matters."""
    if "at_its_own_pace" not in request.fixturenames:
        monkeypatch.setattr(recorder, "WRITE_EVERY", 0.1)


@pytest.fixture
def at_its_own_pace() -> None:
    """Write counts as often as outside of tests."""


# Tokens


def openai_at(gateway: str, token: str) -> openai.OpenAI:
    return openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)


def chat_whole(gateway: str, token: str) -> None:
    chat(gateway, token)


def chat_packed(gateway: str, token: str) -> None:
    Route.objects.update(model="gzip")
    assert "content-encoding" in chat(gateway, token, headers={"Accept-Encoding": "gzip"}).headers


def chat_streamed(gateway: str, token: str) -> None:
    list(
        openai_at(gateway, token).chat.completions.create(
            model="search", messages=HELLO, **STREAM_USAGE
        )
    )


def response_whole(gateway: str, token: str) -> None:
    openai_at(gateway, token).responses.create(model="search", input="Hi")


def response_streamed(gateway: str, token: str) -> None:
    list(openai_at(gateway, token).responses.create(model="search", input="Hi", stream=True))


def anthropic_at(gateway: str, token: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=token, base_url=gateway, max_retries=0)


def message_whole(gateway: str, token: str) -> None:
    anthropic_at(gateway, token).messages.create(model="search", max_tokens=9, messages=HELLO)


def message_streamed(gateway: str, token: str) -> None:
    client = anthropic_at(gateway, token)
    with client.messages.stream(model="search", max_tokens=9, messages=HELLO) as stream:
        stream.get_final_message()


def google_at(gateway: str, token: str) -> genai.Client:
    options = {"base_url": f"{gateway}/gemini"}
    return genai.Client(api_key=token, vertexai=False, http_options=options)


def generated_whole(gateway: str, token: str) -> None:
    client = google_at(gateway, token)
    client.models.generate_content(model="search", contents="Hi")


def generated_streamed(gateway: str, token: str) -> None:
    client = google_at(gateway, token)
    list(client.models.generate_content_stream(model="search", contents="Hi"))


ACTS = [
    (chat_whole, "openai"),
    (chat_packed, "openai"),
    (chat_streamed, "openai"),
    (response_whole, "openai"),
    (response_streamed, "openai"),
    (message_whole, "anthropic"),
    (message_streamed, "anthropic"),
    (generated_whole, "gemini"),
    (generated_streamed, "gemini"),
]


@pytest.mark.parametrize(("act", "kind"), ACTS)
def test_the_tokens_of_every_dialect_are_counted_by_the_hour_and_for_all_time(
    gateway: str,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    act: Callable[[str, str], None],
    kind: str,
) -> None:
    key = key_at("my-key", kind)
    endpoint = make_endpoint("search", key)

    act(gateway, token)
    bucket = counted()

    assert tokens_of(bucket) == COUNTED
    [hourly] = UsageBucket.objects.exclude(hour=ALL_TIME)
    assert hourly.hour == datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for row in (hourly, bucket):
        assert (row.requests, tokens_of(row)) == (1, COUNTED)
        assert (row.endpoint_id, row.api_key_id) == (endpoint.pk, key.pk)
        assert row.route_id == endpoint.routes.get().pk
        assert row.token_id == GatewayToken.objects.get().pk
        assert row.model == endpoint.routes.get().model
        assert (datetime.now(UTC) - row.last_at).total_seconds() < 60
        assert sum(getattr(row, name) for name in LATENCIES) == 1
        assert sum(getattr(row, name) for name in FIRST_BYTES) == 1


def test_the_first_byte_is_that_of_the_content(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key_at(), model="stream-3-700")  # three chunks, 700 ms apart

    chat(gateway, token, stream=True)

    bucket = counted()
    assert bucket.first_byte_ms + 1000 < bucket.duration_ms
    assert sum(getattr(bucket, name) for name in FIRST_BYTES) == 1


@pytest.mark.usefixtures("at_its_own_pace")
def test_a_count_takes_no_more_than_two_seconds_to_be_written(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    chat(gateway, token)
    began = monotonic()

    for number in range(1, 4):
        counted(number)
        chat(gateway, token)

    assert monotonic() - began < 3 * SOON


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stream_is_read_however_it_is_cut(size: int, end: bytes) -> None:
    received = end.join(
        [
            b"event: message_start",
            b'data: {"type":"message_start","message":{"usage":{"input_tokens":8,'
            b'"cache_read_input_tokens":3,"output_tokens":1}}}',
            b"",
            b'data: {"delta":{"text":"\\"usage\\":{\\"output_tokens\\":99}"}}',
            b"",
            b'data:{"type":"message_delta","usage":{"output_tokens":7}}',
        ]
    )
    parser = UsageParser("text/event-stream; charset=utf-8", "")

    for at in range(0, len(received), size):
        parser.feed(received[at : at + size])

    tokens = parser.finish()
    assert (tokens.input, tokens.output, tokens.cached) == (11, 7, 3)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstd.compress),
    ],
)
def test_a_compressed_response_is_read(encoding: str, encode: Callable[[bytes], bytes]) -> None:
    parser = UsageParser("application/json", encoding)
    received = encode(b'{"x":"%s","usage":{"prompt_tokens":11}}' % bytes(range(65, 91)))

    for part in (received[:20], received[20:]):
        parser.feed(part)

    assert parser.finish().input == 11


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_response_with_a_wrong_label_counts_nothing(encoding: str) -> None:
    parser = UsageParser("application/json", encoding)

    parser.feed(b'{"usage":{"prompt_tokens":11}}')

    assert parser.finish().input == 0


def test_bedrocks_frames_are_looked_through() -> None:
    parser = UsageParser("application/vnd.amazon.eventstream", "")

    for part in (b'\x00\x01{"usage":{"inputTok', b'ens":8,"outputTokens":7,', b'"cacheRead',
                 b'InputTokens":3,"totalTokens":18},"metrics":{}}\x02'):  # fmt: skip
        parser.feed(part)

    tokens = parser.finish()
    assert (tokens.input, tokens.output, tokens.cached) == (11, 7, 3)


# Errors, by class


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("fail-400", "client_errors"),
        ("fail-404", "account_errors"),
        ("fail-422", "client_errors"),
        ("fail-429", "rate_limited"),
        ("fail-401", "refused"),
        ("fail-403", "account_errors"),
        ("fail-402", "account_errors"),
        ("fail-408", "provider_errors"),
        ("fail-500", "provider_errors"),
        ("redirect", "provider_errors"),
        ("close", "unreachable"),
        ("garbage", "unreachable"),
        ("cut", "unreachable"),
    ],
)
def test_an_error_is_counted_in_its_class(
    gateway: str,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    model: str,
    column: str,
) -> None:
    make_endpoint("search", key_at(), model=model)

    chat(gateway, token)
    bucket = counted()

    names = ("client_errors", "rate_limited", "refused", "account_errors")
    names += ("provider_errors", "unreachable")
    assert bucket.requests == 1
    assert {name: getattr(bucket, name) for name in (*names, "canceled")} == {
        **dict.fromkeys((*names, "canceled"), 0),
        column: 1,
    }
    assert not any(getattr(bucket, name) for name in FIRST_BYTES)


def test_a_client_that_disconnects_is_counted_as_canceled(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key_at(), model="slow-30000")
    with dial(gateway) as caller:
        caller.sendall(written("/gateway/v1/chat/completions", token, b'{"model":"search"}'))
        eventually(lambda: provider.requests)

    bucket = counted(seconds=SOON + 2)

    assert (bucket.requests, bucket.canceled) == (1, 1)


def test_what_a_stream_reported_before_its_client_left_is_counted(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key_at(kind="anthropic"), model="stream-1000-50")
    body = b'{"model":"search","max_tokens":9,"messages":[],"stream":true}'

    with dial(gateway) as caller:
        caller.sendall(written("/gateway/v1/messages", token, body))
        received = b""
        while b"message_start" not in received:
            received += caller.recv(4096)

    bucket = counted()
    assert (bucket.canceled, bucket.input_tokens) == (1, INPUT_TOKENS)


def test_a_key_that_does_not_open_is_counted_as_an_error(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    ApiKey.objects.update(config={"api_base": "http://127.0.0.1:9/v1"})

    chat(gateway, token)

    assert counted().unreachable == 1


def test_each_route_that_was_tried_is_counted(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    routes = [Route(api_key=key, model="fail-500"), Route(api_key=key, model="b", kind="fallback")]
    make_endpoint("search", routes=routes)

    chat(gateway, token)
    eventually(lambda: UsageBucket.objects.filter(hour=ALL_TIME).count() == 2, seconds=SOON)

    failed, served = all_time(model="fail-500"), all_time(model="b")
    assert (failed.requests, failed.provider_errors) == (1, 1)
    assert (served.requests, served.provider_errors, tokens_of(served)) == (1, 0, COUNTED)


def test_a_worker_that_is_killed_loses_two_seconds_at_most(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    with another_process() as (url, process):
        for _ in range(3):
            chat(f"{url}/gateway", token)
        sleep(2)
        process.kill()
        process.wait()

        assert all_time().requests == 3


def test_what_was_refused_at_the_gate_counts_nowhere(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    chat(gateway, "gh_wrong")
    chat(gateway, token, "unknown")
    chat(gateway, token)

    assert counted().requests == 1


@pytest.mark.parametrize("amount", [b"-5", b"1" + b"0" * 30, b'"many"', b"1.5", b"[]", b"null"])
def test_an_invalid_count_does_not_affect_others(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, amount: bytes
) -> None:
    provider.next_responses(Response(body=b'{"usage": {"prompt_tokens": %b}}' % amount))

    chat(gateway, token)
    chat(gateway, token)

    assert tokens_of(counted(2)) == COUNTED


# Together


def test_the_counts_of_many_at_once_in_two_processes_add_up(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    def ask(url: str) -> None:
        for _ in range(20):
            assert chat(url, token).status == 200

    with another_process_running() as other:
        urls = [gateway, f"{other}/gateway"] * 3
        callers = [threading.Thread(target=ask, args=[url]) for url in urls]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        bucket = counted(120, seconds=SOON + 5)

    assert bucket.requests == 120
    assert tokens_of(bucket) == tuple(120 * count for count in COUNTED)
    assert sum(getattr(bucket, name) for name in LATENCIES) == 120


def test_what_is_counted_is_written_when_the_gateway_stops(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    with another_process_running() as other:
        for _ in range(5):
            chat(f"{other}/gateway", token)

    assert counted().requests == 5


def test_what_cannot_be_written_now_is_written_later(
    gateway: str, token: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = recorder.add_usage, []

    def fail_once(*args: Any) -> None:
        if not failures:
            failures.append("locked")
            raise OSError("locked")
        write(*args)

    monkeypatch.setattr(recorder, "add_usage", fail_once)
    chat(gateway, token)
    eventually(lambda: failures, seconds=SOON)

    assert counted().requests == 1
    chat(gateway, token)
    assert counted(2).requests == 2


def test_failures_in_a_row_are_counted_over_a_write_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streaks: list[int] = []
    is_locked = True

    def write(counts: Mapping[UsageKey, Counts], now: datetime) -> None:
        if is_locked:
            raise OSError("locked")
        streaks.extend(values.failures_in_a_row for values in counts.values())

    async def count() -> None:
        nonlocal is_locked
        owner = UsageOwner(1, 2, uuid4(), 4, "gpt-5")
        with ThreadPoolExecutor(1) as executor:
            counter = recorder.UsageCounter(executor)
            for outcome in ("ok", "refused", "canceled", "unreachable"):
                counter.add(owner, Outcome(outcome), 0.1)
            await counter.write()
            is_locked = False
            counter.add(owner, Outcome.RATE_LIMITED, 0.1)
            await counter.write()
            for outcome in ("refused", "ok", "provider_errors", "client_errors"):
                counter.add(owner, Outcome(outcome), 0.1)
            await counter.close()

    monkeypatch.setattr(recorder, "_write", write)
    run(count())

    assert streaks == [3, 1]
