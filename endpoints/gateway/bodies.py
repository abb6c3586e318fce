"""The caller's body: taken in up to a limit, and changed in one place only, the model's name."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from .problems import Problem

MAX_KEYS = 1_000  # of the name "model", anywhere in a body
MAX_STRUCTURE = 500_000  # texts, objects and arrays before the last of them: half a second's work
DEEPEST_GOOGLE_MODEL = 3  # an object in an array in the body; below that are contents

# The key "model" however it is spelled: JSON lets every letter stand as \u00xx.
_SPELLED = "".join(rf"(?:{letter}|\\u00(?i:{ord(letter):02x}))" for letter in "model")
_KEY = re.compile(rf'(?<!\\)"(?:{_SPELLED})"\s*:\s*'.encode())
_PLAIN_KEY = re.compile(rb'"model"\s*:\s*')
_NAME = re.compile(rb'null|"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
# A text that does not end runs to the end, or each quotation mark in it would begin another search.
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_ABSENT = msgspec.Raw(b"")


class _Head(msgspec.Struct):
    model: Any = msgspec.UNSET
    messages: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(_Head).decode


class Body:
    """A JSON body and where in it the model's name stands."""

    __slots__ = ("_place", "is_chat", "model", "raw")

    def __init__(self, raw: bytes, model_required: bool = True) -> None:
        """Read ``raw``. Raises ``Problem`` where it is no JSON object with one model."""
        try:
            head = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Problem(
                400, "not_json", "The body is not a JSON object. Nothing was sent on."
            ) from None
        self.raw = raw
        self.model = "" if head.model in (None, msgspec.UNSET) else head.model
        self.is_chat = head.messages is not _ABSENT
        self._place = self._find() if head.model is not msgspec.UNSET else None
        if model_required and not self.model:
            raise _no_model()

    def _find(self) -> tuple[int, int]:
        """Return where the value of the top-level "model" begins and ends."""
        if b"\\u00" not in self.raw and self.raw.count(b'"model"') == 1:  # nearly all bodies
            key = _PLAIN_KEY.match(self.raw, self.raw.find(b'"model"'))
            keys = [key] if key else []
        else:
            keys = list(islice(_keys(self.raw), MAX_KEYS + 1))
        if len(keys) > 1:  # one is the top-level one, or there would be no model at all
            keys = [key for key, depth in _with_depths(self.raw, keys) if depth == 1]
        value = _NAME.match(self.raw, keys[0].end()) if len(keys) == 1 else None
        if value is None:
            raise _no_model()
        return value.span()

    def with_model(self, model: str) -> bytes:
        """Return the body with ``model`` in place of the caller's, all else byte for byte."""
        name = json.dumps(model).encode()
        if self._place is None:
            start = self.raw.index(b"{") + 1
            comma = b"" if self.raw[start:].lstrip()[:1] == b"}" else b","
            return self.raw[:start] + b'"model":' + name + comma + self.raw[start:]
        start, end = self._place
        return self.raw[:start] + name + self.raw[end:]


def _keys(raw: bytes) -> Iterator[re.Match[bytes]]:
    """Find what could be the key: fast where no letter is escaped, exact where one is."""
    if b"\\u00" in raw:
        yield from _KEY.finditer(raw)
        return
    place = raw.find(b'"model"')
    while place >= 0:
        if raw[place - 1 : place] != b"\\" and (key := _PLAIN_KEY.match(raw, place)):
            yield key
        place = raw.find(b'"model"', place + 1)


def _with_depths(
    raw: bytes, keys: Sequence[re.Match[bytes]]
) -> Iterator[tuple[re.Match[bytes], int]]:
    """Yield each key with its depth: 1 in the outermost object. Nothing where there are many."""
    depth, position, seen = 0, 0, 0
    for key in keys if len(keys) <= MAX_KEYS else ():
        for found in _STRUCTURE.finditer(raw, position, key.start()):
            seen += 1
            if seen > MAX_STRUCTURE:
                raise Problem(400, "too_complex", "The body has too many parts to look through.")
            if found[0] in b"{[":
                depth += 1
            elif found[0] in b"}]":
                depth -= 1
        position = key.start()
        yield key, depth


class GoogleBody:
    """A body of Google's dialect, and where it repeats the model that its path names.

    In ``requests[].model`` of batchEmbedContents, for one: another than the path's is refused.
    Source: Gemini API reference, EmbedContentRequest, CountTokensRequest.
    """

    __slots__ = ("_places", "raw")

    def __init__(self, raw: bytes, endpoint: str) -> None:
        self.raw = raw
        name = json.dumps(f"models/{endpoint}").encode()
        keys = list(islice(_keys(raw), MAX_KEYS + 1)) if name in raw else []
        self._places = [
            (key.end(), key.end() + len(name))
            for key, depth in _with_depths(raw, keys)
            if depth <= DEEPEST_GOOGLE_MODEL and raw.startswith(name, key.end())
        ]

    def with_model(self, model: str) -> bytes:
        """Return the body with ``model`` in those places, all else byte for byte."""
        name = json.dumps(f"models/{model.removeprefix('models/')}").encode()
        parts, done = [], 0
        for start, end in self._places:
            parts += [self.raw[done:start], name]
            done = end
        return b"".join([*parts, self.raw[done:]])


def _no_model() -> Problem:
    return Problem(400, "no_model", 'Name the endpoint to use as "model" in the body, once.')


def too_large(limit: int) -> Problem:
    return Problem(
        413,
        "body_too_large",
        f"The body is larger than {limit // (1024 * 1024)} MB, the most that this gateway takes.",
        {"connection": "close"},
    )


async def take_in(receive: Any, *, declared: int | None, limit: int) -> bytes:
    """Return the whole body. Raises ``Problem`` above ``limit`` bytes, ``Gone`` if it ends."""
    if declared is not None and declared > limit:
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise too_large(limit)
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large(limit)
    return b"".join(parts)


class Gone(Exception):
    """The caller hung up."""
