"""The access log: a line of JSON for each request, without content and credentials."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from endpoints.gateway import access_log, request_records
from endpoints.gateway.http.record import RequestRecord
from endpoints.gateway.request_records import RequestRecords
from endpoints.models import Endpoint, GatewayToken, Route
from gatewayproject.demo.provider import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, Provider
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt
from tests.installation import ROOT, Installation

from .client import HELLO, ask, chat, dial, eventually, written
from .event_loops import run
from .server import Served

Lines = Callable[[int], list[dict[str, Any]]]


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def kept(settings: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """The log, turned on, and written at once."""
    settings.GATEWAY_ACCESS_LOG = True
    served.start_afresh()
    monkeypatch.setattr(request_records, "WRITE_EVERY", 0.05)
    kept = Kept()
    access_log.logger.addHandler(kept)
    yield kept
    access_log.logger.removeHandler(kept)


@pytest.fixture
def lines(kept: Kept, gateway: str) -> Lines:
    """Return the lines, once there are that many."""

    def lines(number: int = 1) -> list[dict[str, Any]]:
        eventually(lambda: len(kept.lines) >= number)
        return [json.loads(line) for line in kept.lines]

    return lines


def test_a_line_has_what_an_operator_asks_for(
    lines: Lines, gateway: str, token: str, endpoint: Endpoint
) -> None:
    answer = chat(gateway, token)

    (line,) = lines(1)
    took = (line.pop("latency_ms"), line.pop("ttfb_ms"))
    assert took[0] >= took[1] > 0
    when = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    assert line == {
        "request_id": answer.headers["x-gatehouse-request-id"],
        "endpoint": "search",
        "token": "tests",
        "operation": "chat",
        "provider": "openai",
        "api_key": "my-openai-key",
        "model": "gpt-5-mini",
        "status": 200,
        "error": None,
        "outcome": "ok",
        "attempts": 1,
        "input_tokens": INPUT_TOKENS,
        "output_tokens": OUTPUT_TOKENS,
        "cached_tokens": CACHED_TOKENS,
    }


def test_names_are_those_of_the_moment(
    lines: Lines, gateway: str, token: str, endpoint: Endpoint
) -> None:
    chat(gateway, token)
    lines(1)
    GatewayToken.objects.update(name="renamed")
    chat(gateway, token)

    assert [line["token"] for line in lines(2)] == ["tests", "renamed"]


def test_attempts_are_counted_and_the_last_one_is_named(
    lines: Lines, gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    routes = [Route(api_key=key, model="fail-500"), Route(api_key=key, model="b", kind="fallback")]
    make_endpoint("search", routes=routes)

    chat(gateway, token)

    (line,) = lines(1)
    assert (line["attempts"], line["model"], line["outcome"]) == (2, "b", "ok")


REFUSED = [
    (lambda url, token: chat(url, "gh_wrong"), 401, "unknown_token", None, None),
    (lambda url, token: chat(url, ""), 401, "no_token", None, None),
    (lambda url, token: chat(url, token, "unknown"), 404, "unknown_endpoint", "tests", None),
    (lambda url, token: chat(url, token, "dead"), 502, "provider_unreachable", "tests", "dead"),
    (lambda url, token: ask(url, "/v1/chat/completions", b"{", token=token), 400, "not_json",
     "tests", None),
]  # fmt: skip


@pytest.mark.parametrize(("call", "status", "error", "name", "endpoint"), REFUSED)
def test_a_refused_request_is_logged_with_its_code(
    lines: Lines,
    gateway: str,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    call: Callable[[str, str], Any],
    status: int,
    error: str,
    name: str | None,
    endpoint: str | None,
) -> None:
    make_endpoint("dead", key_at(url="http://127.0.0.1:1"))

    call(gateway, token)

    (line,) = lines(1)
    assert (line["status"], line["error"]) == (status, error)
    assert (line["token"], line["endpoint"]) == (name, endpoint)


def test_a_client_that_leaves_is_logged(
    lines: Lines,
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", key_at(), model="slow-30000")
    with dial(gateway) as client:
        client.sendall(written("/gateway/v1/chat/completions", token, b'{"model":"search"}'))
        eventually(lambda: provider.requests)

    (line,) = lines(1)
    assert (line["status"], line["outcome"], line["ttfb_ms"]) == (None, "canceled", None)


def test_neither_content_nor_credentials_are_logged(
    kept: Kept, lines: Lines, gateway: str, token: str, endpoint: Endpoint
) -> None:
    canary = "C4nary"
    headers = {"X-Note": canary, "User-Agent": canary}
    body = {"model": "search", "messages": HELLO, "user": canary}
    calls = [
        ("/v1/chat/completions", body),
        ("/v1/chat/completions", {"model": canary, "messages": HELLO}),
        (f"/search/v1/{canary}?q={canary}", body),
        (f"/v1/responses/{canary}", b""),
        (f"/gemini/v1beta/models/search:{canary}x", {}),
        (f"/gemini/v1beta/models/{canary}:generateContent", {}),
        (f"/{canary}", {}),
    ]
    for path, sent in calls:
        ask(gateway, path, sent, token=token, headers=headers)
        ask(gateway, path, sent, token=f"gh_{canary}", headers=headers)

    lines(2 * len(calls))
    text = "\n".join(kept.lines)
    for secret in (canary, token, token[3:12], OPENAI_KEY, OPENAI_KEY[-8:], "anybody"):
        assert secret not in text


def test_lines_are_written_when_the_gateway_stops(
    kept: Kept,
    gateway: str,
    token: str,
    endpoint: Endpoint,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_records, "WRITE_EVERY", 3600)
    chat(gateway, token)
    assert not kept.lines

    served.start_afresh()

    assert len(kept.lines) == 1


def test_without_the_database_lines_have_no_names(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OSError

    async def log() -> None:
        with ThreadPoolExecutor(1) as executor:
            records = RequestRecords(executor)
            records.add(RequestRecord("req_1", token_id=7))
            await records.close()

    monkeypatch.setattr(request_records, "close_old_connections", away)
    run(log())

    assert json.loads(kept.lines[0])["token"] == "#7"


def test_requests_that_cannot_be_written_take_no_memory(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def log() -> None:
        with ThreadPoolExecutor(1) as executor:
            records = RequestRecords(executor)
            for number in range(5):
                records.add(RequestRecord(f"req_{number}"))
            await records.close()

    monkeypatch.setattr(request_records, "MOST", 3)
    run(log())

    assert len(kept.lines) == 3
    assert "2 requests were not recorded" in caplog.text


def test_nothing_is_logged_by_default(gateway: str, token: str, endpoint: Endpoint) -> None:
    kept = Kept()
    access_log.logger.addHandler(kept)
    try:
        chat(gateway, token)
    finally:
        access_log.logger.removeHandler(kept)

    assert not kept.lines


def test_lines_go_to_stdout_as_they_are_whatever_the_log_level(installation: Installation) -> None:
    code = (
        "import django; django.setup(); from endpoints.gateway import access_log; "
        "access_log.logger.info('%s', '{}')"
    )
    environment = installation.environment(
        LOG_LEVEL="ERROR", DJANGO_SETTINGS_MODULE="gatewayproject.settings"
    )

    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (result.stdout, result.stderr) == ("{}\n", "")
