"""Reads token counts out of an answer on its way to the caller, and never delays it."""

import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

MAX_KEPT = 4 * 1024 * 1024  # bytes of an answer, or of one line of a stream, that are looked at
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


class _Document(msgspec.Struct):
    usage: _Usage | None = None
    usageMetadata: _Usage | None = None
    message: Any = None  # Anthropic's message_start
    response: Any = None  # OpenAI's response.completed


_decode = msgspec.json.Decoder(_Document).decode
_decode_many = msgspec.json.Decoder(list[_Document]).decode
_decode_usage = msgspec.json.Decoder(_Usage).decode


@dataclass(slots=True)
class Tokens:
    """How many tokens an answer says it took. Cached ones are part of the input."""

    input: int = 0
    output: int = 0
    cached: int = 0


class Tally:
    """Fed an answer's bytes as they pass; knows its ``tokens`` when they have."""

    def __init__(self, content_type: str, encoding: str) -> None:
        self.tokens = Tokens()
        self._kept = b""
        self._inflate = _decompressor(encoding)
        self._feed = self._feed_whole
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
                chunk = self._inflate.decompress(chunk, MAX_KEPT)
            except zlib.error:
                self._feed, self._inflate = self._feed_nothing, None
        self._feed(chunk)

    def finish(self) -> Tokens:
        """Return what was found. Bytes that are no JSON count nothing."""
        if self._kept and self._feed == self._feed_whole:
            self._read(self._kept)
        elif self._kept and self._feed == self._feed_lines:
            self._feed_lines(b"\n")
        self._kept = b""
        return self.tokens

    def _feed_whole(self, chunk: bytes) -> None:
        if len(self._kept) + len(chunk) > MAX_KEPT:
            self._kept, self._feed = b"", self._feed_nothing
        else:
            self._kept += chunk

    def _feed_lines(self, chunk: bytes) -> None:
        data = self._kept + chunk if self._kept else chunk
        end = data.rfind(b"\n") + 1
        self._kept = data[end:] if len(data) - end <= MAX_KEPT else b""
        if data.find(b"sage", 0, end) < 0:
            return
        for line in data[:end].splitlines():
            if line.startswith(b"data:") and b"sage" in line:
                self._read(line[5:])

    def _feed_frames(self, chunk: bytes) -> None:
        data = self._kept + chunk
        if found := _BEDROCK.search(data):
            with suppress(msgspec.DecodeError):
                self._note(_decode_usage(found[1]))
            data = data[found.end() :]
        self._kept = data[-4096:]

    def _feed_nothing(self, chunk: bytes) -> None:
        pass

    def _read(self, document: bytes) -> None:
        try:
            many = document.lstrip()[:1] == b"["
            for found in _decode_many(document)[-1:] if many else [_decode(document)]:
                self._note_document(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return

    def _note_document(self, found: _Document) -> None:
        self._note(found.usage or found.usageMetadata)
        for inner in (found.message, found.response):
            if isinstance(inner, dict) and inner.get("usage"):
                self._note(msgspec.convert(inner["usage"], _Usage))

    def _note(self, usage: _Usage | None) -> None:
        """Take the numbers over; each later event of a stream tells the total so far."""
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


def _decompressor(encoding: str) -> Any:
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    if encoding == "deflate":
        return zlib.decompressobj()
    return None
