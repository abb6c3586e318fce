"""Forms (multipart/form-data) whose part ``model`` names the endpoint: files with a model, such as
audio to transcribe and images to edit."""

import re

from .bodies import with_values
from .problems import Problem, Refusal
from .uploads import ArrivingBody, Check, Upload

MAX_PARTS = 1_000
MAX_PART_HEADERS = 8 * 1024  # bytes
MAX_HEADERS = 64 * 1024  # bytes of all parts, which are read in a few milliseconds
MAX_MODEL = 512  # bytes
# RFC 2046, section 5.1.1.
_BOUNDARY = re.compile(
    r""";\s*boundary=(?:"([\w'()+,./:=? -]{1,70})"|([\w'()+./:=?-]{1,70}))\s*(?=;|\Z)""",
    re.IGNORECASE,
)
_ANY_BOUNDARY = re.compile(r"boundary[*\d]*\s*=", re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
# As browsers and servers read it that take a backslash for a part of the name.
_PLAIN_PARAMETER = re.compile(rb';\s*([^\s;="]+)\s*=\s*(?:"([^"]*)"|([^\s;"]*))')
_READINGS = (_PARAMETER, _PLAIN_PARAMETER)
_ENCODED_NAME = re.compile(rb";\s*name\*", re.IGNORECASE)  # RFC 2231, which forms do not have
_HEADER = re.compile(rb"[\w!#$%&'*+.^`|~-]+[ \t]*:[^\x00-\x08\x0a-\x1f]*\Z")
_DISPOSITION = re.compile(rb"content-disposition\s*:", re.IGNORECASE)


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a form. Raises ``Refusal`` if there is none."""
    found = _BOUNDARY.search(content_type)
    if found is None or len(_ANY_BOUNDARY.findall(content_type)) != 1:
        raise Refusal(Problem.BAD_FORM, why="its Content-Type has no valid boundary")
    return (found[1] or found[2]).encode()


class FormScanner:
    """Finds the parts of a form as it arrives, and where the value of ``model`` is.

    What servers read differently is refused, so that none of them finds another model: boundaries
    that do not begin a line, folded headers, parts behind the end.
    """

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._rest = b"\r\n"  # not scanned yet; the first delimiter has no line before it
        self._place = -2  # where it begins in the form
        self._in_headers = self.is_ended = False
        self._parts = self._header_size = 0
        self._model_start: int | None = None
        self.model: tuple[int, int] | None = None  # where its value begins and ends

    def feed(self, piece: bytes) -> None:
        """Go on with ``piece``. Raises ``Refusal``."""
        if self.is_ended:
            self._check_end(piece)
            return
        text, place = self._rest + piece, 0
        while not self.is_ended:
            if self._in_headers:
                end = text.find(b"\r\n\r\n", place)
                if end < 0 or end - place > MAX_PART_HEADERS:
                    if len(text) - place > MAX_PART_HEADERS:
                        raise Refusal(Problem.BAD_FORM, why="a part has headers without end")
                    break
                self._in_headers = False
                self._read_headers(text[place:end], self._place + end + 4)
                place = end + 2  # what follows may be a delimiter at once
                continue
            line = text.find(self._delimiter[2:], place) + len(self._delimiter) - 2
            if line < len(self._delimiter) - 2:
                place = max(place, len(text) - len(self._delimiter))
                break
            end = line - len(self._delimiter)
            after = text[line : line + 2]
            if len(after) < 2:
                place = max(place, end)
                break
            self._end_part(self._place + end)
            if after not in (b"\r\n", b"--") or text[max(end, 0) : end + 2] != b"\r\n":
                raise Refusal(Problem.BAD_FORM, why="a boundary is not on a line of its own")
            self.is_ended = after == b"--"
            self._in_headers = not self.is_ended
            place = line
            if self.is_ended:
                self._check_end(text[line + 2 :])
        self._rest = text[place:]
        self._place += place

    def _read_headers(self, headers: bytes, value: int) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Refusal(Problem.BAD_FORM, why=f"it has more than {MAX_PARTS} parts")
        self._header_size += len(headers)
        if self._header_size > MAX_HEADERS:
            raise Refusal(Problem.BAD_FORM, why="its parts have too many headers")
        lines = headers.removeprefix(b"\r\n").split(b"\r\n")
        if not all(map(_HEADER.match, lines)):
            raise Refusal(Problem.BAD_FORM, why="a part has an invalid header")
        lines = [line for line in lines if _DISPOSITION.match(line)]
        names = [_names_in(line, pattern) for line in lines for pattern in _READINGS]
        is_encoded = any(map(_ENCODED_NAME.search, lines))
        if is_encoded or len(lines) != 1 or names[0] != names[1] or len(names[0]) != 1:
            raise Refusal(Problem.BAD_FORM, why="a part has no name, or more than one")
        name = names[0][0]
        if name.lower() != b"model":
            return
        if name != b"model" or self._model_start is not None:
            raise Refusal(Problem.NO_MODEL)
        self._model_start = value

    def _end_part(self, place: int) -> None:
        if self._model_start is not None and self.model is None:
            self.model = self._model_start, max(place, self._model_start)

    def _check_end(self, text: bytes) -> None:
        if text.strip():
            raise Refusal(Problem.BAD_FORM, why="something follows its end")


def _names_in(disposition: bytes, pattern: re.Pattern[bytes]) -> list[bytes]:
    return [
        quoted or plain
        for parameter, quoted, plain in pattern.findall(disposition)
        if parameter.lower() == b"name"
    ]


async def read_form(
    arriving: ArrivingBody, boundary: bytes, hold: Check, limit: int, *, model_required: bool
) -> "FormBody":
    """Read a form until its model is known. Raises ``Refusal``, ``BodyTooLarge``, and
    ``ClientDisconnected``."""
    scanner = FormScanner(boundary)

    def scan(piece: bytes) -> None:
        hold(piece)
        scanner.feed(piece)

    head = await arriving.head(scan, limit, lambda: scanner.model is not None)
    if arriving.is_complete and not scanner.is_ended:
        raise Refusal(Problem.BAD_FORM, why="it ends too early")
    form = FormBody(head, scanner, boundary, arriving)
    if model_required and not form.endpoint:
        raise Refusal(Problem.NO_MODEL)
    return form


class FormBody:
    """A form of which the beginning is here, with the model, or all of it."""

    __slots__ = ("_arriving", "_head", "_inserted", "_place", "_scanner", "endpoint", "upload")

    def __init__(
        self, head: bytes, scanner: FormScanner, boundary: bytes, arriving: ArrivingBody
    ) -> None:
        self._head, self._scanner, self._arriving = head, scanner, arriving
        self._place, self._inserted = scanner.model or (0, 0), b"%b"
        if scanner.model is None:
            part = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' % boundary
            self._inserted = part + b"%b\r\n"
        start, end = self._place
        if end - start > MAX_MODEL:
            raise Refusal(Problem.NO_MODEL)
        self.endpoint = head[start:end].decode("utf-8", "replace").strip()
        self.upload: Upload | None = None  # the last one, if it was not held as a whole

    def with_model(self, model: str) -> bytes | Upload:
        """Return the form with ``model`` as the value of that part, all else byte for byte."""
        head = with_values(self._head, [self._place], self._inserted % model.encode())
        if self._arriving.is_complete:
            return head
        declared = self._arriving.declared
        length = None if declared is None else declared + len(head) - len(self._head)
        self.upload = Upload(head, self._arriving, length, self._scanner.feed)
        return self.upload
