"""Removes credentials from responses: some providers repeat the key that they refuse."""

import asyncio
import re
from collections.abc import Mapping, Sequence

from apikeys.censored_values import censored_values

REMOVED = b"[removed]"
MOST_LAYERS = 4  # of JSON within JSON
LONGEST_LETTER: int = 4 * (
    5 + 2 ** (MOST_LAYERS - 1)
)  # bytes: \\\\\\\\u0041, and each of them as UTF-32
_ESCAPED = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|([\"\\/]))")


def secret_strings(secrets: Mapping[str, str]) -> list[bytes]:
    """Return what to look for, so that none of ``secrets`` comes back; the longest first, as one
    may begin with another."""
    found = {value.encode() for value in censored_values(secrets)}
    return sorted(found, key=len, reverse=True)


def without(text: bytes, secrets: Sequence[bytes]) -> bytes:
    """Return ``text`` with every secret removed."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, REMOVED)
    return text


async def hides_any(text: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether ``text`` contains a secret as JSON may spell it, or in UTF-16 or UTF-32.

    Replacing does not remove it there. Each layer of JSON has its own turn of the event loop.
    """
    plain = text.replace(b"\0", b"")
    for _ in range(MOST_LAYERS):
        if any(secret in plain for secret in secrets):
            return True
        before, plain = (
            plain,
            _ESCAPED.sub(lambda found: found[2] or bytes.fromhex(found[1].decode()), plain),
        )
        if plain == before:
            return False
        await asyncio.sleep(0)
    return any(secret in plain for secret in secrets)


def longest_spelling(secrets: Sequence[bytes]) -> int:
    """Return how many bytes a secret may take, escaped in nested JSON and in UTF-32."""
    return LONGEST_LETTER * max(map(len, secrets), default=0)


class StreamCensor:
    """Removes secrets from a stream. It holds back only what may be the beginning of one, and
    nothing of a complete event."""

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
