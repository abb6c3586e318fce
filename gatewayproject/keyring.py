"""Master keys and Django's secret key, before Django starts.

Plain Python, because the settings module imports it.
"""

import base64
import binascii
import contextlib
import errno
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from .environment import read_text, refuse

# Keys that are published in documentation or repeat one byte are not secret.
PUBLISHED_KEYS = frozenset(
    {
        base64.urlsafe_b64decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="),
        *(bytes([byte]) * 32 for byte in (0x00, 0x01, 0x41, 0x61, 0xFF)),
    }
)
PATH_ADVICE = "GATEWAY_DATA_DIR and DATABASE_URL must be paths that this user can write to."


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Exit with one line and no traceback if a setting or file cannot be used."""
    try:
        yield
    except ImproperlyConfigured as refusal:
        refuse(str(refusal))
    except FileExistsError as error:
        refuse(f"{error.filename} is a file, not a directory. {PATH_ADVICE}")
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "Free some space and try again." if is_full else PATH_ADVICE
        refuse(f"{error.strerror}{place}. {advice}")


def parse_master_keys(values: Iterable[str], *, secret_key: str = "") -> list[str]:
    """Return ``values`` without blanks. Errors give the reason, never the key."""
    keys = [value.strip() for value in values if value.strip()]
    for position, key in enumerate(keys, start=1):
        if problem := _problem(key, keys[: position - 1], secret_key):
            raise ImproperlyConfigured(
                f"FERNET_KEYS: key {position} of {len(keys)} {problem} "
                "Create one with: python manage.py generate_master_key"
            )
    return keys


def _problem(key: str, earlier: list[str], secret_key: str) -> str:
    """Return what is wrong with ``key``. Keys are compared by their bytes."""
    raw = _decoded(key)
    if not key.isascii():
        return "contains a character, perhaps an invisible one, that no key has."
    if raw is None:
        return "is not URL-safe base64."
    if len(raw) != 32:
        return f"must have 32 bytes, not {len(raw)}."
    if raw in map(_decoded, earlier):
        return "appears twice."
    if raw == _decoded(secret_key):
        return "is the same as SECRET_KEY; the two must differ."
    if raw in PUBLISHED_KEYS:
        return "is a published example, so it is not secret."
    if (
        base64.urlsafe_b64encode(raw).decode() != key
    ):  # a different spelling has a different fingerprint
        return "is not URL-safe base64. Write - for + and _ for /, and copy every character."
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
    """Return the key in ``path``. On the first run, create the file (mode 0600) with ``make()``.

    The file appears atomically (``link``), so processes that start at the same time read the same
    key, and a crash leaves either no file or a complete one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _create(path, make())
    value = read_text(path, "Key file").strip()
    if not value:
        raise ImproperlyConfigured(f"{path} is empty. Restore it from a backup or delete it.")
    return value


def _create(path: Path, value: str) -> None:
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    except OSError as error:  # report the directory, not the temporary name
        raise OSError(error.errno, error.strerror, str(path.parent)) from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: use its key
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
