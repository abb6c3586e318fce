"""Takes credentials out of what providers say: some repeat the key that they refuse."""

import re
from collections.abc import Iterable, Mapping, Sequence

REMOVED = b"[removed]"
SECRET_FROM = 8  # characters: a shorter value is no secret that one could find again in a text
MOST_LAYERS = 4  # of JSON within JSON
_ESCAPED = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|([\"\\/]))")
# Headers whose values stand in many an honest answer.
_OPEN = re.compile(r"(?:accept|content)\b|user-agent\Z|.*-(?:version|beta)\Z", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;]+")


def texts_of(secrets: Mapping[str, str]) -> list[bytes]:
    """Return what to look for, so that none of ``secrets`` comes back; the longest first, as one
    may begin with another."""
    values = list(secrets.values())
    if "extra_headers" in secrets:
        for line in secrets["extra_headers"].splitlines():
            name, _, value = line.partition(":")
            if not _OPEN.match(name.strip()):
                values += _parts_of(value.strip())
    found = {value.encode() for value in values if len(value) >= SECRET_FROM}
    return sorted(found, key=len, reverse=True)


def _parts_of(header: str) -> Iterable[str]:
    """Yield the value of a header, and what follows a scheme or a name in it."""
    yield header
    for part in _BETWEEN.split(header):
        yield part
        yield part.partition("=")[2]


def without(text: bytes, secrets: Sequence[bytes]) -> bytes:
    """Return ``text`` with every secret taken out."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, REMOVED)
    return text


def hides_any(text: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether a secret stands in ``text`` as JSON may spell it, or in an encoding of wide letters.

    It cannot be taken out of there by replacing it.
    """
    plain = text.replace(b"\0", b"")
    for _ in range(MOST_LAYERS):
        if any(secret in plain for secret in secrets):
            return True
        before, plain = plain, _ESCAPED.sub(_unescaped, plain)
        if plain == before:
            return False
    return any(secret in plain for secret in secrets)


def _unescaped(found: re.Match[bytes]) -> bytes:
    return found[2] or bytes.fromhex(found[1].decode())


class StreamCensor:
    """Takes secrets out of a stream. It holds back only what may be the beginning of one, and
    nothing of an event that is whole."""

    __slots__ = ("_held", "_secrets")

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets, self._held = secrets, b""

    def pass_on(self, chunk: bytes) -> bytes:
        """Return what can be sent on now."""
        text = without(self._held + chunk, self._secrets)
        length = max((_begun(secret, text) for secret in self._secrets), default=0)
        self._held = text[len(text) - length :]
        return text[: len(text) - length]

    def rest(self) -> bytes:
        """Return what was held back and turned out to be no secret."""
        return self._held


def _begun(secret: bytes, text: bytes) -> int:
    """Return how many bytes at the end of ``text`` could be the beginning of ``secret``."""
    place = text.find(secret[:1], max(0, len(text) - len(secret) + 1))
    while place >= 0:
        if secret.startswith(text[place:]):
            return len(text) - place
        place = text.find(secret[:1], place + 1)
    return 0
