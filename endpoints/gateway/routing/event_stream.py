"""A provider's stream of server-sent events on its way to the client: whole events only.

Before the first content, events are held back, so that another route can be tried if there is none.
Afterwards, at most one unfinished event is held back, so that a stream that breaks off can end with
an event of ours. All bytes are passed on as they came.
"""

import re
import time
from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from itertools import islice
from typing import Any

import msgspec

MOST_HELD = 8 * 1024  # bytes before the first content
LONGEST_HOLD = 15  # seconds; later, what keeps the connection alive is worth more than a fallback
LAST_CHUNKS = 4  # of a stream, in which its end is looked for: a stop, the usage, [DONE]
MOST_EVENTS = 1_000  # of a chunk that are parsed, in a few milliseconds
LARGEST_EVENT = 16 * 1024  # bytes; a larger one, as of an image, is passed on in pieces

_END_OF_EVENT = re.compile(rb"\r?\n\r?\n|\r\r")
_ROLE_ONLY = frozenset(
    {"role", "refusal", "annotations", "audio"}
)  # beside content, none of it yet
_BEGINNINGS = frozenset(
    {"ping", "message_start", "response.created", "response.in_progress", "response.queued"}
)
# What says that a stream is complete, in the dialects of OpenAI, Anthropic and Google.
_END = re.compile(
    rb'\[DONE\]|message_stop|"finish_?[rR]eason"\s*:\s*"|"stop_reason"\s*:\s*"'
    rb'|"type"\s*:\s*"[\w.]+\.(?:completed|incomplete|failed|cancelled|done)"'
)


class Kind(Enum):
    """What an event says."""

    NOTHING = auto()  # comments, pings, and what precedes the content
    CONTENT = auto()
    ERROR = auto()
    END = auto()


class EventStream:
    """Is fed the chunks of a stream, and returns what to send on."""

    __slots__ = (
        "_held",
        "_last",
        "_started",
        "_touched",
        "_unfinished",
        "error",
        "has_content",
        "has_error",
        "is_torn",
        "is_without_answer",
    )

    def __init__(self, *, needs_answer: bool = True) -> None:
        """Without ``needs_answer``, whole events are passed on at once."""
        self._started = self._touched = time.monotonic()
        self._held = b""  # whole events before the first content
        self._unfinished = b""  # of an event
        self._last: deque[bytes] = deque(maxlen=LAST_CHUNKS)
        self.has_content = not needs_answer  # or is passed on in any case
        self.has_error = False
        self.error = b""  # the JSON of an error before any content
        self.is_without_answer = False  # an error or the end came before any content
        self.is_torn = False  # whether what was passed on last is not the end of an event

    def has_end(self) -> bool:
        """Whether an event says that the stream is complete."""
        return _END.search(b"".join(self._last)) is not None

    def pass_on(self, chunk: bytes) -> bytes:
        """Return what can be sent on now."""
        self._touched = time.monotonic()
        was_torn = self.is_torn
        events = self._whole_events(chunk)
        if not events:
            return b""
        self._note_last(events, was_torn=was_torn)
        if self.has_content:
            if b"error" in events:
                self._look_for_error(events)
            return events
        self._held += events
        if not self.is_torn:
            self._look_for_content(events)
        is_long = len(self._held) > MOST_HELD or time.monotonic() - self._started > LONGEST_HOLD
        if self.is_without_answer or not (self.has_content or is_long):
            return b""
        self.has_content = True
        held, self._held = self._held, b""
        return held

    def rest(self) -> bytes:
        """Return what is held back when the stream has ended: an event without its end."""
        rest, self._held, self._unfinished = self._held + self._unfinished, b"", b""
        return rest

    def seconds_since_last(self) -> float:
        """Return for how long nothing has been sent on."""
        return time.monotonic() - self._touched

    def touch(self) -> None:
        """Note that something was sent on."""
        self._touched = time.monotonic()

    def _whole_events(self, chunk: bytes) -> bytes:
        searched = max(0, len(self._unfinished) - 3)
        data = self._unfinished + chunk if self._unfinished else chunk
        if data.endswith((b"\n\n", b"\r\n\r\n")):
            self._unfinished, self.is_torn = b"", False
            return data
        end = 0
        for found in _END_OF_EVENT.finditer(data, searched):
            end = found.end()
        if len(data) - end > LARGEST_EVENT:
            self._unfinished, self.is_torn = b"", True
            return data
        self._unfinished = data[end:]
        if end:
            self.is_torn = False
        return data[:end]

    def _note_last(self, events: bytes, *, was_torn: bool) -> None:
        """Keep what the end is looked for in; of a large event, what its beginning says of it."""
        if was_torn or self.is_torn or len(events) > LARGEST_EVENT:
            begun = self._last[-1] if was_torn and self._last else b""
            found = _END.search(events)
            events = found[0] if found else begun
        self._last.append(events)

    def _look_for_content(self, events: bytes) -> None:
        found = _END_OF_EVENT.split(events, MOST_EVENTS)
        self.has_content = len(found) > MOST_EVENTS  # or is passed on in any case
        for event in found[:MOST_EVENTS]:
            kind = kind_of(event)
            if kind is Kind.CONTENT:
                self.has_content = True
                self._look_for_error(events)
                return
            if kind is not Kind.NOTHING:
                self.is_without_answer = True
                self.has_error = kind is Kind.ERROR
                self.error = data_of(event)[1] if self.has_error else b""
                return

    def _look_for_error(self, events: bytes) -> None:
        if not self.has_error:
            likely = (event for event in _END_OF_EVENT.split(events) if b"error" in event)
            self.has_error = any(
                kind_of(event) is Kind.ERROR for event in islice(likely, MOST_EVENTS)
            )


def data_of(event: bytes) -> tuple[bytes, bytes]:
    """Return the name and the data of an event, given without the empty line at its end."""
    name, data = b"", []
    for line in event.removeprefix(b"\xef\xbb\xbf").splitlines():
        field, _, value = line.partition(b":")
        if field == b"event":
            name = value.strip()
        elif field == b"data":
            data.append(value.strip())
    return name, b"\n".join(data)


def kind_of(event: bytes) -> Kind:
    """Return what ``event`` says, a server-sent event without the empty line at its end."""
    name, text = data_of(event)
    if not text:
        return Kind.NOTHING
    if name == b"error":
        return Kind.ERROR
    if text == b"[DONE]":
        return Kind.END
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Kind.CONTENT
    return _kind_of_document(document) if isinstance(document, dict) else Kind.CONTENT


def is_error(document: Mapping[str, Any]) -> bool:
    """Whether a JSON document with status 200 reports an error instead of an answer.

    Sources: the API references of OpenAI (error events, a failed response), Anthropic (error
    events), Google (google.rpc.Status) and OpenRouter (finish_reason "error").
    """
    if document.get("error") or document.get("type") in ("error", "response.failed"):
        return True
    choices = document.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and (choice.get("error") or choice.get("finish_reason") == "error")
        for choice in choices
    )


def _kind_of_document(document: Mapping[str, Any]) -> Kind:
    if is_error(document):
        return Kind.ERROR
    if document.get("type") in _BEGINNINGS:
        return Kind.NOTHING
    choices = document.get("choices")
    if isinstance(choices, list):
        return Kind.CONTENT if any(map(_has_content, choices)) else Kind.NOTHING
    if "usageMetadata" in document and not (
        document.get("candidates") or document.get("promptFeedback")
    ):
        return Kind.NOTHING
    return Kind.CONTENT


def _has_content(choice: Any) -> bool:
    """Whether one of the ``choices`` of OpenAI's chunks has more than the role of the speaker."""
    if not isinstance(choice, dict) or choice.get("finish_reason") or choice.get("text"):
        return True
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return "text" not in choice  # of the older API: empty so far
    return any(value for name, value in delta.items() if name not in _ROLE_ONLY)
