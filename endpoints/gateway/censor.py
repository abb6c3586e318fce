"""Takes credentials out of what providers say: some repeat the key that they refuse."""

import re
from collections.abc import Mapping, Sequence

REMOVED = b"[removed]"
SECRET_FROM = 8  # characters: a shorter value is no secret that one could find again in a text
_ESCAPED = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|(/))")


def texts_of(secrets: Mapping[str, str]) -> list[bytes]:
    """Return what to look for, so that none of ``secrets`` comes back."""
    values = list(secrets.values())
    if "extra_headers" in secrets:
        lines = secrets["extra_headers"].splitlines()
        values += [line.partition(":")[2].strip() for line in lines]
    return [value.encode() for value in values if len(value) >= SECRET_FROM]


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
    plain = _ESCAPED.sub(lambda found: found[2] or bytes.fromhex(found[1].decode()), text)
    return any(secret in plain for secret in secrets) or any(
        secret in text.replace(b"\0", b"") for secret in secrets if b"\0" in text
    )


class StreamCensor:
    """Takes secrets out of chunks as they pass, and delays none of them."""

    __slots__ = ("_kept", "_secrets", "_tail")

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets, self._tail = secrets, b""
        self._kept = max(map(len, secrets), default=2) - 1

    def pass_on(self, chunk: bytes) -> bytes:
        """Return ``chunk`` without secrets. Raises ``Split`` where one began in an earlier one."""
        text = self._tail + chunk
        for secret in self._secrets:
            if secret in text:
                chunk = without(chunk, self._secrets)
                text = self._tail + chunk
                if secret in text:
                    raise Split
        self._tail = text[-self._kept :]
        return chunk


class Split(Exception):
    """A secret came in two chunks, and the first is on its way to the caller."""
