"""JSON that msgspec refuses: what is valid all the same, and where the rest is wrong."""

import re
from collections.abc import Callable, Sequence

import msgspec

from .problems import Problem, Refusal

BOM = b"\xef\xbb\xbf"
ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# RFC 8259, section 8.2, allows half of a surrogate pair, which Python's and Node's clients send.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BYTE = re.compile(r"(?:JSON is malformed: )?(.*?) \(byte (\d+)\)")
MAX_WALK = 64 * 1024  # bytes; no piece of a skeleton is of a longer text
_TRAILING = "trailing characters"
# How bodies begin that are something else.
_NOT_JSON_AT_ALL = (
    (b"--", "it is a form. This path takes application/json"),
    (b"\x1f\x8b", "it is compressed with gzip. Name that in Content-Encoding"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd. Name that in Content-Encoding"),
    (b"\xff\xfe", "it is UTF-16. JSON is UTF-8"),
    (b"\xfe\xff", "it is UTF-16. JSON is UTF-8"),
)


def without_oddities(raw: bytes) -> bytes:
    """Return ``raw`` for a parser that takes neither a byte order mark nor lone surrogates. All
    but the mark stays in its place; escaped surrogates read as spaces."""
    return _SURROGATE.sub(rb"\\u0020", raw.removeprefix(BOM))


def not_json(
    raw: bytes, error: Exception, place: Callable[[int], int] = lambda number: number
) -> Refusal:
    """Return why ``raw`` is refused. ``error`` is what msgspec found ``without_oddities``.

    ``place`` says which byte of ``raw`` one of the parsed text is.
    """
    if isinstance(error, RecursionError):
        return Refusal(Problem.TOO_COMPLEX)
    if isinstance(error, msgspec.ValidationError):
        if str(error).endswith("`$.model`"):
            return Refusal(Problem.NO_MODEL)
        kind = str(error).rpartition("got ")[2].strip("`")
        return Refusal(Problem.NOT_JSON, why=f"it is of the type {kind}")
    if isinstance(error, UnicodeDecodeError):
        return Refusal(Problem.NOT_JSON, why=_at(raw, "it is not UTF-8", _first_invalid(raw)))
    if found := _BYTE.search(str(error)):
        number = int(found[2]) - (found[1] == _TRAILING)  # of which msgspec names the second
        number += len(BOM) if raw.startswith(BOM) else 0
        return malformed(raw, found[1], place(number))
    return malformed(raw, "it ends too early", len(raw))


def malformed(raw: bytes, why: str, place: int) -> Refusal:
    """Return why ``raw`` is refused: for what is wrong with the byte at ``place``."""
    if not raw.strip():
        return Refusal(Problem.NOT_JSON, why="it is empty")
    for beginning, kind in _NOT_JSON_AT_ALL:
        if raw.startswith(beginning):
            return Refusal(Problem.NOT_JSON, why=kind)
    return Refusal(Problem.NOT_JSON, why=_at(raw, why, place))


def place_of(
    raw: bytes, pieces: Sequence[bytes], starts: Sequence[tuple[int, bool]], number: int
) -> int:
    """Return where in ``raw`` byte ``number`` of its skeleton is.

    ``starts`` says of each piece of the skeleton where its text begins, and whether in a string.
    """
    for piece, (place, in_string) in zip(pieces, starts, strict=True):
        if number >= len(piece):
            number -= len(piece)
            continue
        end = min(len(raw), place + MAX_WALK)
        while place < end:
            is_quote = raw[place] == ord('"')
            if in_string and raw[place] == ord("\\"):
                place += 2
                continue
            if is_quote or not in_string:
                if number == 0:
                    return place
                number -= 1
            in_string ^= is_quote
            place += 1
        return end
    return len(raw)


def _at(raw: bytes, why: str, place: int) -> str:
    return f"{why}, at byte {place} of {len(raw)}"


def _first_invalid(raw: bytes) -> int:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0
