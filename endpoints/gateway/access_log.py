"""The access log: one line of JSON for each request, without content and credentials."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .http.paths import Call
from .http.record import Names, RequestRecord
from .routing.verdicts import GOOGLE_METHODS

logger = logging.getLogger(__name__)  # has a handler of its own; see settings.LOGGING


def write_lines(records: Sequence[RequestRecord], names: Names) -> None:
    for record in records:
        logger.info("%s", json.dumps(_line(record, names)))


def _line(record: RequestRecord, names: Names) -> dict[str, Any]:
    last = record.attempts[-1] if record.attempts else None
    route = last.route if last else None
    used = last.tokens if last else None
    if used is not None and not (used.input or used.output):
        used = None  # the provider did not report them
    token, first_byte_at = record.token_id, record.first_byte_at
    return {
        "time": datetime.fromtimestamp(record.began, UTC).isoformat(timespec="milliseconds"),
        "request_id": record.request_id,
        "endpoint": record.endpoint or None,
        "token": None if token is None else names.tokens.get(token, f"#{token}"),
        "operation": operation_of(record.call),
        "provider": names.providers.get(route.key_id) if route and route.key_id else None,
        "api_key": route.key_name if route else None,
        "model": route.model if route else None,
        "status": record.status,
        "error": record.error or None,
        "outcome": last.outcome.label if last else None,
        "attempts": len(record.attempts),
        "input_tokens": used.input if used else None,
        "output_tokens": used.output if used else None,
        "cached_tokens": used.cached if used else None,
        "latency_ms": _milliseconds(record.ended - record.began),
        "ttfb_ms": None if first_byte_at is None else _milliseconds(first_byte_at - record.began),
    }


def operation_of(call: Call | None) -> str | None:
    """Name what is called, from a fixed set: a client may write anything into a path."""
    if call is None:
        return None
    if call.is_native:
        return "native"
    if call.google_method:
        return call.google_method if call.google_method in GOOGLE_METHODS else "other"
    return "models" if call.lists else call.api or "other"


def _milliseconds(seconds: float) -> float:
    return round(max(seconds, 0) * 1000, 1)
