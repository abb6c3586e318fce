"""Traces and metrics for OpenTelemetry: OTLP over HTTP, never with content.

Requests only note times and IDs; spans are made of them afterwards, in the background. The names
are those of OpenTelemetry's "Semantic conventions for generative AI systems" and for HTTP. The SDK
reads its standard variables, such as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER.
"""

import os
import threading
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from endpoints.usage.counts import Outcome

from .access_log import operation_of
from .http.exchange import RawHeaders
from .http.record import AttemptRecord, Names, RequestRecord, Trace

QUEUE = 20_000  # spans; records come once a second, and not evenly as the SDK expects
CLOSING_SECONDS = 3  # for the last spans and metrics; the collector may be away
_SAMPLED = 1
_TRACE_HEADERS = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
# What the conventions call providers and operations, where the catalogue says it in another way.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_OPERATIONS = {
    "batchEmbedContents": "embeddings",
    "completions": "text_completion",
    "embedContent": "embeddings",
    "generateContent": "generate_content",
    "messages": "chat",
    "responses": "chat",
    "streamGenerateContent": "generate_content",
}
# Bounds that the conventions recommend: seconds, and tokens.
_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [float(4**power) for power in range(14)]


class _NotedIds(RandomIdGenerator):
    """Gives spans the IDs that were sent to the provider before the spans existed."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class Telemetry:
    """What one process exports. ``write`` is called by one thread at a time."""

    def __init__(self) -> None:
        names = {"service.name": "gatehouse", "service.instance.id": str(uuid4())}
        resource = Resource(names).merge(OTELResourceDetector().detect())
        self._ids = _NotedIds()
        self._traces = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        queue = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or QUEUE)
        self._traces.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=queue)
        )
        self._metrics = MeterProvider(
            [PeriodicExportingMetricReader(OTLPMetricExporter())],
            resource=resource,
            shutdown_on_exit=False,
        )
        self._tracer = self._traces.get_tracer("gatehouse")
        meter = self._metrics.get_meter("gatehouse")
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="How long requests to providers took.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="How many tokens requests took.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._propagator = TraceContextTextMapPropagator()

    def trace_of(self, headers: RawHeaders) -> Trace:
        """Return the trace that the client's headers continue, or a new one."""
        carrier = {
            _TRACE_HEADERS[name]: value.decode("latin-1")
            for name, value in headers
            if name in _TRACE_HEADERS
        }
        context = self._propagator.extract(carrier) if carrier else None
        span = get_current_span(context).get_span_context() if context else None
        is_sent = settings.GATEWAY_SEND_TRACEPARENT
        if span is None or not span.is_valid:
            new_id = RandomIdGenerator().generate_trace_id()
            return Trace(None, new_id, _SAMPLED, "", is_sent)
        flags, state = int(span.trace_flags), span.trace_state.to_header()
        return Trace(context, span.trace_id, flags, state, is_sent)

    def write(self, records: Sequence[RequestRecord], names: Names) -> None:
        """Export a span for each request, with one for each attempt in it."""
        for record in records:
            span = self._span_of(record, names)
            inside = set_span_in_context(span)
            for attempt in record.attempts:
                self._write_attempt(attempt, record, inside, names)
            span.end(_nanoseconds(record.ended))

    def close(self) -> None:
        """Export what is left, for some seconds at most."""

        def shut_down() -> None:
            self._traces.shutdown()
            self._metrics.shutdown()

        closing = threading.Thread(target=shut_down, daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)

    def _span_of(self, record: RequestRecord, names: Names) -> Span:
        operation = operation_of(record.call) or "unknown"
        token = record.token_id
        attributes: dict[str, Any] = {
            "http.request.method": record.method,
            "gatehouse.request_id": record.request_id,
            "gatehouse.operation": operation,
        }
        if record.endpoint:
            attributes["gatehouse.endpoint"] = record.endpoint
        if token is not None:
            attributes["gatehouse.token"] = names.tokens.get(token, f"#{token}")
        if record.status is not None:
            attributes["http.response.status_code"] = record.status
        is_error = record.status is not None and record.status >= 500
        if record.error or is_error:
            attributes["error.type"] = record.error or str(record.status)
        parent = None
        if (trace := record.trace) is not None:
            self._ids.trace_id, self._ids.span_id = trace.trace_id, trace.span_id
            parent = trace.parent
        if parent is not None and token is None:  # only known clients decide what is sampled
            parent, self._ids.trace_id = None, RandomIdGenerator().generate_trace_id()
        span = self._tracer.start_span(
            f"{operation} {record.endpoint}".rstrip(),
            context=parent,
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=_nanoseconds(record.began),
        )
        if is_error:
            span.set_status(StatusCode.ERROR)
        return span

    def _write_attempt(
        self, attempt: AttemptRecord, record: RequestRecord, inside: Any, names: Names
    ) -> None:
        route, used = attempt.route, attempt.tokens
        operation = operation_of(record.call) or "unknown"
        provider = names.providers.get(route.key_id, "unknown") if route.key_id else "unknown"
        shared: dict[str, Any] = {
            "gen_ai.operation.name": _OPERATIONS.get(operation, operation),
            "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
            "gen_ai.request.model": route.model,
        }
        if attempt.outcome is not Outcome.OK:
            shared["error.type"] = attempt.outcome.label
        attributes = {**shared, "gatehouse.api_key": route.key_name, "gatehouse.route": route.id}
        counts = {"input": used.input, "output": used.output} if used else {}
        for kind, count in counts.items():
            if count:
                attributes[f"gen_ai.usage.{kind}_tokens"] = count
                self._usage.record(count, {**shared, "gen_ai.token.type": kind})
        self._duration.record(max(attempt.ended - attempt.began, 0), shared)
        self._ids.span_id = attempt.span_id
        span = self._tracer.start_span(
            f"{shared['gen_ai.operation.name']} {route.model}",
            context=inside,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=_nanoseconds(attempt.began),
        )
        if attempt.outcome not in (Outcome.OK, Outcome.CANCELED):
            span.set_status(StatusCode.ERROR)
        span.end(_nanoseconds(attempt.ended))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
