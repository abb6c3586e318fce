"""Ways to misbehave that a request asks for by the name of its model: ``fail-429``, ``stall``, …"""

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from gatewayproject.demo.answers import PIECE, Answer
from gatewayproject.demo.dialects import Dialect

HUGE = 200 * 1024 * 1024  # bytes
BIG = 300 * 1024  # bytes


class Scene(NamedTuple):
    """What a mood may want to know about the request and the answer it spoils."""

    answer: Answer
    dialect: Dialect
    key: str
    headers: Mapping[bytes, bytes]
    path: str
    redirect_to: str


Mood = Callable[[Scene, str], Answer]


def mood_of(model: str) -> tuple[Mood, str] | None:
    """The mood that a model's name asks for, with the number in that name."""
    named = re.fullmatch(r"([a-z-]+?)(?:-(\d+))?", model.rpartition("/")[2])
    mood = MOODS.get(named[1]) if named else None
    return (mood, named[2] or "") if named and mood else None


def fail(scene: Scene, status: str) -> Answer:
    """Fail with a status; 401 and 403 repeat the key in the message, as some providers do."""
    code = int(status) if re.fullmatch(r"[45]\d\d", status) else 500
    refused = code in (401, 403)
    message = f"Incorrect API key provided: {scene.key}." if refused else f"Made up failure {code}."
    failure = scene.dialect.failure(code, message)
    return with_headers(failure, ("retry-after", "2")) if code == 429 else failure


def slow(scene: Scene, milliseconds: str) -> Answer:
    return replace(scene.answer, delay=int(milliseconds or 1000) / 1000)


def stall(scene: Scene, _: str) -> Answer:
    """The head and the first chunk, or half of the body, and then silence."""
    answer = scene.answer
    if answer.chunks is not None:
        return replace(answer, chunks=answer.chunks[:1], stall=True)
    return replace(half(answer), stall=True)


def cut(scene: Scene, _: str) -> Answer:
    """Half of what was promised, and then the end of the connection."""
    answer = scene.answer
    if answer.chunks is not None:
        return replace(answer, chunks=answer.chunks[: len(answer.chunks) // 2], close=True)
    return replace(half(answer), close=True)


def half(answer: Answer) -> Answer:
    promised = with_headers(answer, ("content-length", str(len(answer.body))))
    return replace(promised, body=answer.body[: len(answer.body) // 2])


def close(scene: Scene, _: str) -> Answer:
    return Answer(raw=b"", close=True)


def garbage(scene: Scene, _: str) -> Answer:
    return Answer(raw=b"\x16\x03\x01\x00 this is not HTTP\r\n\r\n", close=True)


def redirect(scene: Scene, status: str) -> Answer:
    location = scene.redirect_to + scene.path
    code = int(status) if re.fullmatch(r"3\d\d", status) else 302
    return Answer(status=code, headers=(("location", location),))


def huge(scene: Scene, megabytes: str) -> Answer:
    """200 MB of spaces, which are JSON up to the missing value."""
    size = int(megabytes) * 1024 * 1024 if megabytes else HUGE
    return Answer(
        headers=(("content-type", "application/json"), ("content-length", str(size))),
        chunks=(b" " * PIECE,) * (size // PIECE),
    )


def big_headers(scene: Scene, kilobytes: str) -> Answer:
    size = int(kilobytes) * 1024 if kilobytes else BIG
    return with_headers(scene.answer, ("x-big", "x" * size))


def cookies(scene: Scene, _: str) -> Answer:
    """A good answer with headers that are meant for this one connection."""
    return with_headers(
        scene.answer,
        ("set-cookie", "session=made-up; Path=/; HttpOnly"),
        ("set-cookie", "__cf_bm=made-up; Secure"),
        ("connection", "x-foo"),
        ("x-foo", "1"),
        ("keep-alive", "timeout=5"),
    )


def gzipped(scene: Scene, _: str) -> Answer:
    accepted = scene.headers.get(b"accept-encoding", b"")
    if b"gzip" not in accepted or scene.answer.chunks is not None:
        return scene.answer
    encoded = with_headers(scene.answer, ("content-encoding", "gzip"), ("vary", "accept-encoding"))
    return replace(encoded, body=gzip.compress(scene.answer.body, mtime=0))


def with_headers(answer: Answer, *pairs: tuple[str, str]) -> Answer:
    return replace(answer, headers=(*answer.pairs, *pairs))


MOODS: dict[str, Mood] = {
    "fail": fail,
    "slow": slow,
    "stall": stall,
    "cut": cut,
    "close": close,
    "garbage": garbage,
    "redirect": redirect,
    "huge": huge,
    "big-headers": big_headers,
    "cookies": cookies,
    "gzip": gzipped,
}
