"""The client's JSON body, in which only the name of the model is changed."""

import asyncio
import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from .json_errors import BOM, ERRORS, malformed, not_json, place_of, without_oddities
from .problems import Problem, Refusal

T = TypeVar("T")
AtOnce = Generator[None, None, T]  # pauses between slices of work

MAX_KEYS = 1_000  # called "model" or "messages", anywhere in a body
MAX_NAMED = 100_000  # strings that say so, keys or not
MAX_SPACE = 32 * 1024  # bytes of white space on one side of a colon
SLICE = 32 * 1024  # bytes scanned between two pauses, in a few milliseconds at most
SLICED = 256 * 1024  # bytes: a larger body is scanned in slices; parsing this much takes 1 ms
MAX_SKELETON = 1024 * 1024  # bytes of a large body, without its strings, that are still parsed
DEEPEST_GOOGLE_MODEL = 3  # an object in an array in the body; below that are contents

# The keys however they are spelled: JSON allows every letter as \u00xx. Some parsers, such as Go's,
# ignore the case of keys.
_LETTERS = {
    letter: rf"(?:{letter}|\\u00(?:{ord(letter):02x}|{ord(letter.upper()):02x}))"
    for letter in "modelsag"
}
_SPELLED = "|".join("".join(_LETTERS[letter] for letter in key) for key in ("model", "messages"))
_KEY = re.compile(rf'(?<!\\)"(?:{_SPELLED})"'.encode(), re.IGNORECASE)
LONGEST_MODEL = 256 * 1024
LONGEST_KEY = 6 * len("messages") + 2
_SPACE = re.compile(rb"[ \t\r\n]{0,%d}" % MAX_SPACE)
_PLAIN_KEY = re.compile(rb'"model"\s*:\s*')
MODEL_VALUE = re.compile(rb'null|"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class _TopLevel(msgspec.Struct):
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(_TopLevel).decode


class Key(NamedTuple):
    """A key "model" or "messages" in a body, in any spelling."""

    name: str
    depth: int  # 1 in the outermost object
    value: int  # where its value begins


@dataclass(slots=True)
class Outline:
    """What a scan has seen of a body: its keys, and all of it but the contents of strings."""

    keys: list[Key] = field(default_factory=list)
    depth: int = 0
    in_string: bool = False
    skeleton: list[bytes] = field(default_factory=list)
    starts: list[tuple[int, bool]] = field(default_factory=list)  # see ``place_of``
    size: int = 0  # of the skeleton

    def feed(self, text: bytes, place: int) -> None:
        """Go on with ``text``, which is at ``place`` and does not end within an escape."""
        start = place, self.in_string
        if b"\\" in text:
            text = text.replace(rb"\\", b"").replace(rb"\"", b"")
        pieces = text.split(b'"')
        strings = slice(0 if self.in_string else 1, None, 2)
        pieces[strings] = [b""] * len(pieces[strings])
        self.in_string ^= len(pieces) % 2 == 0
        text = b'"'.join(pieces)
        self.depth += text.count(b"{") + text.count(b"[") - text.count(b"}") - text.count(b"]")
        self.size += len(text)
        if self.size <= MAX_SKELETON:
            self.skeleton.append(text)
            self.starts.append(start)

    def check(self, raw: bytes) -> None:
        """Raise ``Refusal`` if ``raw`` is certainly not a JSON object."""
        beginning = raw[:MAX_SPACE].removeprefix(BOM).lstrip()[:1]
        if beginning != b"{":
            raise malformed(raw, "it does not begin with {", raw.find(beginning))
        if self.in_string:
            raise malformed(raw, "it ends within a string", len(raw))
        if self.size <= MAX_SKELETON:
            try:
                _decode(b"".join(self.skeleton).removeprefix(BOM))
            except ERRORS as error:
                place = partial(place_of, raw, self.skeleton, self.starts)
                raise not_json(raw, error, place) from None
        elif self.depth:
            raise malformed(raw, "its brackets do not match", len(raw))


def outline_of(raw: bytes, max_keys: int = MAX_KEYS) -> AtOnce[Outline]:
    """Scan ``raw`` in slices. The time it takes grows with its length and with nothing else."""
    outline, place, seen = Outline(), 0, 0
    while place < len(raw):
        end = _end_of_slice(raw, place)
        if outline.in_string and b'"' not in raw[place:end]:
            place = end
            yield
            continue
        window = raw[place : end + LONGEST_KEY].lower()
        if b"model" in window or b"messages" in window or b"\\u00" in window:
            for found in _KEY.finditer(raw, place, end + LONGEST_KEY):
                if found.start() >= end:
                    break
                seen += 1
                if seen > MAX_NAMED or len(outline.keys) > max_keys:
                    raise Refusal(Problem.TOO_COMPLEX)
                if seen % 100 == 0:
                    yield
                colon = _after_space(raw, found.end())
                if raw[colon : colon + 1] == b":":
                    outline.feed(raw[place : found.start()], place)
                    place = found.start()
                    value = _after_space(raw, colon + 1)
                    outline.keys.append(Key(str(json.loads(found[0])), outline.depth, value))
        outline.feed(raw[place:end], place)
        place = end
        yield
    return outline


def _after_space(raw: bytes, place: int) -> int:
    end = _SPACE.match(raw, place).end()  # type: ignore[union-attr]
    if end - place == MAX_SPACE:
        raise Refusal(Problem.TOO_COMPLEX)
    return end


def _end_of_slice(raw: bytes, start: int) -> int:
    """Return where a slice from ``start`` ends, so that it does not end within an escape."""
    end = min(start + SLICE, len(raw))
    piece = raw[start:end]
    backslashes = len(piece) - len(piece.rstrip(b"\\"))
    return min(end + backslashes % 2, len(raw))


def at_once(steps: AtOnce[T]) -> T:
    """Do all of a sliced work."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def in_turns(steps: AtOnce[T], turn: asyncio.Lock) -> T:
    """Do a sliced work in turns with everything else on the event loop: one slice in each turn of
    the loop, however many bodies are being scanned. A lock is taken in the order of waiting."""
    try:
        while True:
            async with turn:
                next(steps)
                await asyncio.sleep(0)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _decoded(raw: bytes) -> _TopLevel:
    try:
        return _decode(raw)
    except ERRORS:
        try:
            return _decode(without_oddities(raw))
        except ERRORS as error:
            raise not_json(raw, error) from None


async def outline_if_needed(turn: asyncio.Lock, raw: bytes) -> Outline | None:
    """Scan ``raw`` without blocking the event loop, unless it can be parsed at once."""
    if len(raw) <= SLICE or (len(raw) <= SLICED and _is_simple(raw)):
        return None
    return await in_turns(outline_of(raw), turn)


def _is_simple(raw: bytes) -> bool:
    """Whether at most one key is called "model", and none in another spelling: nearly all are."""
    return (
        b"\\u006" not in raw
        and b"\\u004" not in raw
        and raw.lower().count(b'"model"') == raw.count(b'"model"') <= 1
    )


def with_values(raw: bytes, places: Sequence[tuple[int, int]], value: bytes) -> bytes:
    """Return ``raw`` with ``value`` in these places. It is copied once: a large body takes long."""
    view = memoryview(raw)
    parts: list[bytes | memoryview] = []
    done = 0
    for start, end in places:
        parts += [view[done:start], value]
        done = end
    return b"".join([*parts, view[done:]])


class Body:
    """A JSON body and the place of the model's name in it."""

    __slots__ = ("_place", "is_chat", "model", "raw")

    def __init__(
        self, raw: bytes, model_required: bool = True, outline: Outline | None = None
    ) -> None:
        """Read ``raw``, which was scanned if it is large. Raises ``Refusal`` if it is not a
        JSON object with one model."""
        self.raw = raw
        self._place: tuple[int, int] | None
        if len(raw) <= SLICED:
            top = _decoded(raw)
            self.model = top.model or ""
            self.is_chat = top.messages is not msgspec.UNSET
            if top.model is not msgspec.UNSET and _is_simple(raw):
                self._place = self._find()
            else:
                self._place = self._place_in(outline or at_once(outline_of(raw)))
        else:
            outline = outline or at_once(outline_of(raw))
            outline.check(raw)
            self._place = self._place_in(outline)
            self.is_chat = any(key.depth == 1 and key.name == "messages" for key in outline.keys)
            value = raw[slice(*self._place)] if self._place else b"null"
            self.model = _decoded(b'{"model":%b}' % value).model or ""
        if model_required and not self.model:
            raise Refusal(Problem.NO_MODEL)

    @property
    def endpoint(self) -> str:
        """The name of the endpoint, if the body has one."""
        return self.model

    def _find(self) -> tuple[int, int]:
        """Return where the value of the only "model" begins and ends."""
        key = _PLAIN_KEY.match(self.raw, self.raw.find(b'"model"'))
        value = MODEL_VALUE.match(self.raw, key.end()) if key else None
        if value is None:
            raise Refusal(Problem.NO_MODEL)
        return value.span()

    def _place_in(self, outline: Outline) -> tuple[int, int] | None:
        models = [key for key in outline.keys if key.depth == 1 and key.name.lower() == "model"]
        if not models:
            return None
        value = MODEL_VALUE.match(self.raw, models[0].value, models[0].value + LONGEST_MODEL)
        if len(models) > 1 or models[0].name != "model" or value is None:
            raise Refusal(Problem.NO_MODEL)
        return value.span()

    def with_model(self, model: str) -> bytes:
        """Return the body with ``model`` in place of the client's, all else byte for byte."""
        name = json.dumps(model).encode()
        if self._place is None:
            start = self.raw.index(b"{") + 1
            comma = b"" if self.raw[start : start + MAX_SPACE].lstrip()[:1] == b"}" else b","
            return with_values(self.raw, [(start, start)], b'"model":' + name + comma)
        return with_values(self.raw, [self._place], name)


class GoogleNamedBody(Body):
    """A body of Google's dialect that names the model itself, as ``NAME`` or ``models/NAME``.

    Source: Gemini API reference, CachedContent, Interactions.
    """

    __slots__ = ()

    @property
    def endpoint(self) -> str:
        return self.model.removeprefix("models/")

    def with_model(self, model: str) -> bytes:
        prefix = "models/" if self.model.startswith("models/") else ""
        return super().with_model(prefix + model.removeprefix("models/"))


class GoogleBody:
    """A body of Google's dialect, and where it repeats the model that its path names.

    In ``requests[].model`` of batchEmbedContents, for one: another than the path's is refused.
    Source: Gemini API reference, EmbedContentRequest, CountTokensRequest.
    """

    __slots__ = ("_places", "raw")

    def __init__(self, raw: bytes, endpoint: str, outline: Outline | None = None) -> None:
        self.raw = raw
        name = json.dumps(f"models/{endpoint}").encode()
        if outline is None and name in raw:
            outline = at_once(outline_of(raw))
        self._places = [
            (key.value, key.value + len(name))
            for key in (outline.keys if outline else ())
            if key.name == "model"
            and key.depth <= DEEPEST_GOOGLE_MODEL
            and raw.startswith(name, key.value)
        ]

    def with_model(self, model: str) -> bytes:
        """Return the body with ``model`` in those places, all else byte for byte."""
        name = json.dumps(f"models/{model.removeprefix('models/')}").encode()
        return with_values(self.raw, self._places, name)
