"""Where the master keys and Django's secret key come from before Django starts.

Plain Python, because the settings module reads it.
"""

import base64
import binascii
import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

# Keys that stand in public documentation or are all one byte: known to everybody, so no secret.
PUBLISHED_KEYS = frozenset(
    {
        base64.urlsafe_b64decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="),
        *(bytes([byte]) * 32 for byte in (0x00, 0x01, 0x41, 0x61, 0xFF)),
    }
)


@contextlib.contextmanager
def reasons_alone() -> Iterator[None]:
    """Where a setting is refused, end with the reason: a traceback would bury it."""
    try:
        yield
    except ImproperlyConfigured as refusal:
        raise SystemExit(f"Gatehouse does not start: {refusal}") from None


def parse_master_keys(values: Iterable[str], *, secret_key: str = "") -> list[str]:
    """Return ``values`` without blanks, or refuse them with the reason and never the key itself."""
    keys = [value.strip() for value in values if value.strip()]
    for position, key in enumerate(keys, start=1):
        if problem := _problem(key, keys[: position - 1], secret_key):
            raise ImproperlyConfigured(
                f"FERNET_KEYS: key {position} of {len(keys)} {problem} "
                "Make one with: python manage.py generate_master_key"
            )
    return keys


def _problem(key: str, earlier: list[str], secret_key: str) -> str:
    """Say what is wrong with ``key``. Keys are compared by their bytes: one has many spellings."""
    raw = _decoded(key)
    if raw is None:
        return "is not URL-safe base64."
    if len(raw) != 32:
        return f"holds {len(raw)} bytes where a master key has 32."
    if raw in map(_decoded, earlier):
        return "stands there twice."
    if raw == _decoded(secret_key):
        return "is the same as SECRET_KEY; the two must differ."
    if raw in PUBLISHED_KEYS:
        return "is a published sample, known to everybody."
    if base64.urlsafe_b64encode(raw).decode() != key:  # its fingerprint would be another one
        return "is not spelt as URL-safe base64: write - for + and _ for /, and copy every letter."
    return ""


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


def generate_master_key() -> str:
    """Return a new random master key (32 bytes, URL-safe base64)."""
    return Fernet.generate_key().decode()


def generate_secret_key() -> str:
    """Return a new random ``SECRET_KEY``."""
    return secrets.token_urlsafe(64)


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return what ``path`` holds; on the first run, put ``make()`` there, for our eyes only.

    A complete file appears under its name at once (``link``), so of several processes that start
    together all read the same key, and a crash leaves either no file or a whole one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _create(path, make())
    value = path.read_text().strip()
    if not value:
        raise ImproperlyConfigured(f"{path} is empty. Restore it from a backup or delete it.")
    return value


def _create(path: Path, value: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key holds
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
