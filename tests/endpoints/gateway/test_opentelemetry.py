"""Traces and metrics, as a receiver of OTLP gets them. Skipped without the optional libraries."""

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread
from typing import Any

import pytest

from endpoints.gateway import request_records
from endpoints.models import Endpoint, Route
from gatewayproject.demo.provider import INPUT_TOKENS, OUTPUT_TOKENS, Provider
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt
from tests.installation import ROOT, Installation

from .client import HELLO, ask, chat, eventually
from .server import Served

HAS_SDK = find_spec("opentelemetry") is not None and find_spec("opentelemetry.exporter") is not None
needs_sdk = pytest.mark.skipif(not HAS_SDK, reason="opentelemetry-sdk is not installed")
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "tracestate": "vendor=1"}


class Receiver:
    """A collector that keeps what it receives."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, Any]] = []
        self.raw = b""
        self.paths: list[str] = []

    def take(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        self.raw += body
        self.paths.append(path)
        if path == "/v1/traces":
            traces = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            for resource in traces.resource_spans:
                self.resources.append(attributes(resource.resource))
                for scope in resource.scope_spans:
                    self.spans += scope.spans
        else:
            metrics = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
            for each in metrics.resource_metrics:
                for scope in each.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope.metrics}


def attributes(of: Any) -> dict[str, Any]:
    """Return attributes by name, each as the value of its kind."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, settings: Any, served: Served) -> Iterator[Receiver]:
    """A collector on loopback, and a gateway that exports to it."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.take(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setattr(request_records, "WRITE_EVERY", 0.05)
    settings.GATEWAY_OPENTELEMETRY = True
    served.start_afresh()
    yield receiver
    server.shutdown()
    server.server_close()


Spans = Callable[[int], list[Any]]


@pytest.fixture
def spans(receiver: Receiver, gateway: str) -> Spans:
    """Return the spans, once there are that many."""

    def spans(number: int) -> list[Any]:
        eventually(lambda: len(receiver.spans) >= number)
        return receiver.spans

    return spans


@needs_sdk
def test_a_request_is_a_span_with_one_for_each_attempt(
    spans: Spans,
    receiver: Receiver,
    gateway: str,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    key = key_at()
    routes = [Route(api_key=key, model="fail-500"), Route(api_key=key, model="b", kind="fallback")]
    make_endpoint("search", routes=routes)

    answer = chat(gateway, token)

    request, failed, served = sorted(spans(3), key=lambda span: span.start_time_unix_nano)
    assert (request.name, request.kind) == ("chat search", 2)  # of a server
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "gatehouse.request_id": answer.headers["x-gatehouse-request-id"],
        "gatehouse.operation": "chat",
        "gatehouse.endpoint": "search",
        "gatehouse.token": "tests",
    }
    for attempt in (failed, served):
        assert attempt.kind == 3  # of a client
        assert attempt.trace_id == request.trace_id
        assert attempt.parent_span_id == request.span_id
        assert attempt.start_time_unix_nano < attempt.end_time_unix_nano
        assert attempt.end_time_unix_nano <= request.end_time_unix_nano
    assert (failed.name, failed.status.code) == ("chat fail-500", 2)
    assert attributes(failed)["error.type"] == "provider_error"
    assert (served.name, served.status.code) == ("chat b", 0)
    found = attributes(served)
    assert found.pop("gatehouse.route")
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "b",
        "gen_ai.usage.input_tokens": INPUT_TOKENS,
        "gen_ai.usage.output_tokens": OUTPUT_TOKENS,
        "gatehouse.api_key": "my-openai-key",
    }
    assert receiver.resources[0]["service.name"] == "gatehouse"


@needs_sdk
def test_metrics_are_those_of_the_conventions(
    receiver: Receiver, gateway: str, token: str, endpoint: Endpoint, served: Served
) -> None:
    chat(gateway, token)
    served.start_afresh()  # what is left is exported when the gateway stops

    usage = receiver.metrics["gen_ai.client.token.usage"].histogram.data_points
    sums = {attributes(point)["gen_ai.token.type"]: point.sum for point in usage}
    assert sums == {"input": INPUT_TOKENS, "output": OUTPUT_TOKENS}
    (duration,) = receiver.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert (duration.count, duration.sum > 0) == (1, True)
    assert attributes(duration) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
    }


@needs_sdk
@pytest.mark.parametrize("sends", [True, False])
def test_a_trace_goes_on_and_a_provider_is_told_only_if_the_operator_wants_it(
    spans: Spans,
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    settings: Any,
    sends: bool,
) -> None:
    settings.GATEWAY_SEND_TRACEPARENT = sends

    chat(gateway, token, headers=TRACEPARENT)

    request, attempt = sorted(spans(2), key=lambda span: span.start_time_unix_nano)
    assert request.trace_id.hex() == attempt.trace_id.hex() == TRACE_ID
    assert request.parent_span_id.hex() == SPAN_ID
    received = {name.lower(): value for name, value in provider.requests[-1].headers}
    if sends:
        assert received["traceparent"] == f"00-{TRACE_ID}-{attempt.span_id.hex()}-01"
        assert received["tracestate"] == "vendor=1"
    else:
        assert not received.keys() & TRACEPARENT.keys()


@needs_sdk
def test_a_trace_that_begins_here_is_the_one_that_the_provider_is_told(
    spans: Spans, gateway: str, provider: Provider, token: str, endpoint: Endpoint, settings: Any
) -> None:
    settings.GATEWAY_SEND_TRACEPARENT = True

    chat(gateway, token, headers={"traceparent": "00-nonsense"})

    request, attempt = sorted(spans(2), key=lambda span: span.start_time_unix_nano)
    assert not request.parent_span_id
    received = {name.lower(): value for name, value in provider.requests[-1].headers}
    parent = f"00-{request.trace_id.hex()}-{attempt.span_id.hex()}-01"
    assert received["traceparent"] == parent


@needs_sdk
def test_a_stranger_adds_nothing_to_a_trace(spans: Spans, gateway: str, endpoint: Endpoint) -> None:
    chat(gateway, "gh_wrong", headers=TRACEPARENT)

    (span,) = spans(1)
    assert span.trace_id.hex() != TRACE_ID
    assert attributes(span)["error.type"] == "unknown_token"


@needs_sdk
def test_neither_content_nor_credentials_are_exported(
    spans: Spans,
    receiver: Receiver,
    gateway: str,
    token: str,
    endpoint: Endpoint,
    served: Served,
) -> None:
    canary = "C4nary"
    body = {"model": "search", "messages": HELLO, "user": canary}
    headers = {"X-Note": canary, "User-Agent": canary}
    ask(gateway, "/v1/chat/completions", body, token=token, headers=headers)
    ask(gateway, f"/search/v1/{canary}?q={canary}", body, token=token)
    ask(gateway, f"/v1/responses/{canary}", b"", token=token)
    ask(gateway, "/v1/chat/completions", {"model": canary}, token=f"gh_{canary}")
    spans(4)
    served.start_afresh()

    assert set(receiver.paths) == {"/v1/traces", "/v1/metrics"}
    for secret in (canary, token, OPENAI_KEY, OPENAI_KEY[-8:], "anybody"):
        assert secret.encode() not in receiver.raw


@needs_sdk
def test_a_collector_that_is_away_stops_nothing(
    gateway: str,
    token: str,
    endpoint: Endpoint,
    served: Served,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    settings.GATEWAY_OPENTELEMETRY = True
    served.start_afresh()

    assert chat(gateway, token).status == 200
    served.start_afresh()  # within 20 seconds
    assert chat(gateway, token).status == 200


def test_without_the_setting_a_trace_header_passes_and_nothing_is_imported(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    installation: Installation,
) -> None:
    chat(gateway, token, headers=TRACEPARENT)
    received = {name.lower(): value for name, value in provider.requests[-1].headers}
    assert received["traceparent"] == TRACEPARENT["traceparent"]

    code = (
        "import sys, django; django.setup(); import gatewayproject.asgi; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    environment = installation.environment(DJANGO_SETTINGS_MODULE="gatewayproject.settings")
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"


@pytest.mark.skipif(HAS_SDK, reason="the libraries are installed")
def test_without_its_libraries_it_does_not_start(installation: Installation) -> None:
    result = installation.manage("check", GATEWAY_OPENTELEMETRY="true")

    assert result.returncode != 0
    assert "GATEWAY_OPENTELEMETRY: install requirements-cloud.lock" in result.stderr
