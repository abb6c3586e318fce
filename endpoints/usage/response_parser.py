"""Reads token counts from a response on its way to the client, without delaying it."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import msgspec

from .content_encoding import INVALID, decompressor

# What is read of a response in one turn of the event loop takes a few milliseconds at most.
MAX_INFLATED = 4 * 1024 * 1024  # bytes that one chunk may decode to
MAX_WHOLE = 128 * 1024  # bytes of a response, or of a line of a stream, that are kept and parsed
MAX_END = 32 * 1024  # bytes at each end of a longer one, where its counts are
MAX_LINES = 1_000  # of a stream that arrive at once and may have counts; each has the total so far
MAX_OBJECTS = 50_000  # in an array of responses
_USAGE = re.compile(rb'(?<!\\)"usage(?:Metadata)?"\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})')
_BEDROCK = re.compile(rb'"usage":(\{[^{}]*\})')

# What is no count of tokens counts nothing; added up, these still fit into a database.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class _Cached(msgspec.Struct):
    cached_tokens: Count | None = None


class _Usage(msgspec.Struct):
    """The names of all dialects.

    Sources: the API references of OpenAI (chat completions, responses), Anthropic (messages),
    Google (UsageMetadata) and Amazon Bedrock (TokenUsage).
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _Cached | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_tokens_details: _Cached | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    promptTokenCount: Count | None = None
    candidatesTokenCount: Count | None = None
    thoughtsTokenCount: Count | None = None
    cachedContentTokenCount: Count | None = None
    inputTokens: Count | None = None
    outputTokens: Count | None = None
    cacheReadInputTokens: Count | None = None
    cacheWriteInputTokens: Count | None = None


_NONE = msgspec.Raw(b"null")


class _Document(msgspec.Struct):
    """A raw value costs no memory, however many values are in it."""

    usage: msgspec.Raw = _NONE
    usageMetadata: msgspec.Raw = _NONE
    message: msgspec.Raw = _NONE  # Anthropic's message_start
    response: msgspec.Raw = _NONE  # OpenAI's response.completed


class _Inner(msgspec.Struct):
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Document).decode
_decode_many = msgspec.json.Decoder(list[_Document]).decode
_decode_inner = msgspec.json.Decoder(_Inner).decode
_decode_usage = msgspec.json.Decoder(_Usage | None).decode


@dataclass(slots=True)
class Tokens:
    """How many tokens a provider reports. Cached ones are part of the input."""

    input: int = 0
    output: int = 0
    cached: int = 0


class UsageParser:
    """Is fed a response as it passes, and then has its ``tokens``."""

    def __init__(self, content_type: str, encoding: str) -> None:
        self.tokens = Tokens()
        self._kept: list[bytes] = []
        self._size = 0  # of what is kept
        self._is_long = False  # only the two ends of a document or a line are kept
        self._inflate = decompressor(encoding)
        self._feed = self._keep
        if content_type.startswith("text/event-stream"):
            self._feed = self._feed_lines
        elif content_type.startswith("application/vnd.amazon.eventstream"):
            self._feed = self._feed_frames
        elif (
            encoding not in ("", "identity") and self._inflate is None
        ) or "json" not in content_type:
            self._feed = self._feed_nothing

    def feed(self, chunk: bytes) -> None:
        if self._inflate is not None:
            try:
                chunk = self._inflate.decompress(chunk, MAX_INFLATED)
            except INVALID:
                self._feed, self._inflate = self._feed_nothing, None
        self._feed(chunk)

    def finish(self) -> Tokens:
        """Return what was found. Bytes that are no JSON count nothing."""
        if self._is_long:
            self._read_ends(*self._kept)
        elif self._kept and self._feed == self._keep:
            self._read(b"".join(self._kept))
        elif self._kept and self._feed == self._feed_lines:
            self._feed_lines(b"\n")
        self._is_long, self._kept = False, []
        return self.tokens

    def _feed_lines(self, chunk: bytes) -> None:
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._keep(chunk)
            return
        if self._is_long:
            line, _, chunk = chunk.partition(b"\n")
            self._read_ends(self._kept[0], (self._kept[1] + line)[-MAX_END:])
            self._is_long, self._kept = False, []
            end = chunk.rfind(b"\n") + 1
        lines = b"".join([*self._kept, chunk[:end]])
        self._kept, self._size = [], 0
        if end < len(chunk):
            self._keep(chunk[end:])
        for line in _lines_with_usage(lines):
            if line.startswith(b"data:"):
                self._read(line[5:])

    def _keep(self, chunk: bytes) -> None:
        """Keep ``chunk`` with what is kept; only the ends of both if that is much."""
        if self._is_long:
            self._kept[1] = (self._kept[1] + chunk[-MAX_END:])[-MAX_END:]
            return
        self._kept.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_WHOLE:
            document = b"".join(self._kept)
            self._is_long, self._kept = True, [document[:MAX_END], document[-MAX_END:]]

    def _feed_frames(self, chunk: bytes) -> None:
        data = b"".join([*self._kept, chunk])
        if found := _BEDROCK.search(data):
            with suppress(msgspec.DecodeError):
                self._note(_decode_usage(found[1]))
            data = data[found.end() :]
        self._kept = [data[-4096:]]

    def _feed_nothing(self, chunk: bytes) -> None:
        pass

    def _read(self, document: bytes) -> None:
        try:
            if document.lstrip()[:1] != b"[":
                self._note_document(_decode(document))
            elif document.count(b"{") <= MAX_OBJECTS:
                for found in _decode_many(document)[-1:]:
                    self._note_document(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def _read_ends(self, beginning: bytes, end: bytes) -> None:
        """Take the last counts of a long document. In its strings, quotes are escaped."""
        for part in (end, beginning):
            for found in reversed(_USAGE.findall(part)):
                with suppress(msgspec.DecodeError):
                    if usage := _decode_usage(found):
                        self._note(usage)
                        return

    def _note_document(self, found: _Document) -> None:
        self._note(_decode_usage(found.usage) or _decode_usage(found.usageMetadata))
        for inner in (found.message, found.response):
            if inner is not _NONE:
                with suppress(msgspec.ValidationError):
                    self._note(_decode_inner(inner).usage)

    def _note(self, usage: _Usage | None) -> None:
        """Take over the numbers; each later event of a stream has the total so far."""
        if usage is None:
            return
        tokens = self.tokens
        details = usage.prompt_tokens_details or usage.input_tokens_details
        cached = (
            (details and details.cached_tokens)
            or usage.cache_read_input_tokens
            or usage.cachedContentTokenCount
            or usage.cacheReadInputTokens
        )
        tokens.cached = cached or tokens.cached
        given = usage.prompt_tokens or usage.input_tokens or usage.promptTokenCount
        given = given or usage.inputTokens or 0
        # Anthropic and Bedrock count what is cached beside the input, all others as part of it.
        given += (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        given += (usage.cacheReadInputTokens or 0) + (usage.cacheWriteInputTokens or 0)
        tokens.input = given or tokens.input
        made = usage.completion_tokens or usage.output_tokens or usage.outputTokens or 0
        made = made or (usage.candidatesTokenCount or 0) + (usage.thoughtsTokenCount or 0)
        tokens.output = made or tokens.output


def _lines_with_usage(data: bytes) -> list[bytes]:
    """Return the lines of ``data`` that may have counts: the last ones, and the first if there are
    too many."""
    if b"sage" not in data:
        return []
    lines: list[bytes] = []
    end = len(data)
    while len(lines) < MAX_LINES and (place := data.rfind(b"sage", 0, end)) >= 0:
        end = data.rfind(b"\n", 0, place) + 1
        lines.append(data[end : data.find(b"\n", place)])
    if len(lines) == MAX_LINES:
        place = data.find(b"sage")
        lines.append(data[data.rfind(b"\n", 0, place) + 1 : data.find(b"\n", place)])
    return lines[::-1]
