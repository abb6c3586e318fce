"""Sealing and opening: the only module that turns ciphertext into a secret.

A sealed value is a Fernet token whose payload names its owner (which row and column it was made
for) and, for each role, the origin that it may be sent to. Opening checks both, so a token that is
moved to another row, or a row whose URL was edited, is refused here whatever the database says.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, NoReturn, Self

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from fernet_fields import EncryptedTextField

VERSION = 2
PADDED_TO = 256  # bytes: the length of a token tells little about the length of the secret
_MAC_SIZE = 32
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# By the padding of a token: what its last character may be, if all bits beyond its bytes are zero.
_LAST_BEFORE = {b"": _BASE64, b"=": _BASE64[::4], b"==": _BASE64[::16]}


class Role(StrEnum):
    """What an origin is for. Credentials sealed for one role are not sent there in another."""

    API = "api"
    TOKEN = "token"
    TEST = "test"


Origins = Mapping[Role, str]


class CannotOpen(Exception):
    """A sealed value does not open. The message says why and holds nothing of the value."""


class Secrets(dict[str, str]):
    """Credentials in the clear, by field name. Never shows its values."""

    def __repr__(self) -> str:
        return f"<Secrets: {', '.join(self) or 'none'}>"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("Credentials in the clear are not pickled.")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value. It knows its token and nothing else."""

    token: bytes

    @classmethod
    def stored(cls, value: Any) -> Self:
        """Wrap what a column holds. What is not bytes was never sealed, and never opens."""
        return cls(bytes(value) if isinstance(value, bytes | memoryview) else b"")

    def __repr__(self) -> str:
        return "<Sealed>"

    __str__ = __repr__


@dataclass(frozen=True)
class MasterKeys:
    """``FERNET_KEYS``: the first seals, all open."""

    keys: tuple[str, ...]

    @cached_property
    def fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.keys])

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of each master key → the key. A fingerprint is public and tells nothing."""
        return {fingerprint_of(key): key for key in self.keys}

    @property
    def primary(self) -> str:
        """The fingerprint of the master key that seals."""
        return fingerprint_of(self.keys[0])

    @cached_property
    def primary_alone(self) -> Fernet:
        return Fernet(self.keys[0])

    @cached_property
    def _signing_keys(self) -> dict[str, bytes]:
        return {name: urlsafe_b64decode(key)[:16] for name, key in self.fingerprints.items()}

    def sealer_of(self, sealed: Sealed | None) -> str:
        """Return the fingerprint of the key that made this token, or ``""`` where none of them did.

        Nothing is decrypted: a Fernet token ends in an HMAC-SHA256 over all that precedes it, under
        the first half of the key (source: the Fernet specification, version 0x80).
        """
        if sealed is None or not _is_canonical(sealed.token):
            return ""
        raw = urlsafe_b64decode(sealed.token)
        body, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
        for name, key in self._signing_keys.items():
            if hmac.compare_digest(hmac.digest(key, body, "sha256"), mac):
                return name
        return ""

    def recognize(self, sealed: Sealed | None) -> bool:
        """Whether one of the keys made this token, whole and unchanged."""
        return bool(self.sealer_of(sealed))


class _Payload(msgspec.Struct):
    """What a token holds. Parsed by msgspec, as this is on the way of every request."""

    v: int
    owner: str
    origins: dict[str, str]  # by role
    secret: dict[str, str]


class _Version(msgspec.Struct):
    v: int


_read = msgspec.json.Decoder(_Payload).decode
_read_version = msgspec.json.Decoder(_Version).decode


def master_keys() -> MasterKeys:
    """Return the master keys that the settings hold now."""
    return _master_keys(tuple(settings.FERNET_KEYS))


@lru_cache(maxsize=8)
def _master_keys(keys: tuple[str, ...]) -> MasterKeys:
    return MasterKeys(keys)


def fingerprint_of(master_key: str) -> str:
    """Return 16 hexadecimal digits that name a master key."""
    return hashlib.sha256(b"gatehouse master key\0" + master_key.encode()).hexdigest()[:16]


def seal(secrets: Mapping[str, str], *, owner: str, origins: Origins) -> Sealed:
    """Seal ``secrets`` for ``owner``, to be sent to ``origins`` and nowhere else."""
    payload = {"v": VERSION, "owner": owner, "origins": dict(origins), "secret": dict(secrets)}
    text = json.dumps(payload, separators=(",", ":"))
    padding = " " * (-len(text) % PADDED_TO)  # white space that a JSON parser passes over
    return Sealed(master_keys().fernet.encrypt((text + padding).encode()))


def open_sealed(sealed: Sealed | None, *, owner: str, towards: Origins) -> Secrets:
    """Return the secrets, to use them towards ``towards``; each origin must be sealed in its role.

    Raises ``CannotOpen``.
    """
    if sealed is None:
        raise CannotOpen("The credentials were destroyed.")
    opened = _decrypt(sealed, master_keys().fernet)
    if opened is None:
        raise CannotOpen("No configured master key decrypts these credentials.")
    try:
        payload = _read(opened)
    except ValueError:
        raise CannotOpen(_why_unknown(opened)) from None
    if payload.v != VERSION:
        raise CannotOpen(_why_unknown(opened))
    if payload.owner != owner:
        raise CannotOpen("These credentials were encrypted for another key.")
    for role, origin in towards.items():
        if payload.origins.get(role) != origin:
            raise CannotOpen(f"These credentials were not encrypted for {origin} ({role} origin).")
    return Secrets(payload.secret)


def _why_unknown(opened: bytes) -> str:
    """Return why a payload cannot be read, though a master key opens its token."""
    try:
        version = _read_version(opened).v
    except ValueError:
        version = VERSION
    if version == VERSION:
        return "These credentials were not encrypted by Gatehouse."
    age = "an older" if version < VERSION else "a newer"
    return f"These credentials were encrypted by {age} version of Gatehouse."


def reseal(sealed: Sealed) -> Sealed | None:
    """Seal the same payload under the primary, and look whether it opens with the primary alone.

    Returns ``None`` where no master key opens ``sealed``.
    """
    keys = master_keys()
    payload = _decrypt(sealed, keys.fernet)
    if payload is None:
        return None
    fresh = Sealed(keys.primary_alone.encrypt(payload))
    if _decrypt(fresh, keys.primary_alone) != payload:
        raise CannotOpen("What was just sealed does not open.")
    return fresh


def opens_with_primary(sealed: Sealed) -> bool:
    """Whether the primary opens this by itself, so that no other master key is needed for it."""
    return _decrypt(sealed, master_keys().primary_alone) is not None


def _decrypt(sealed: Sealed, fernet: Fernet | MultiFernet) -> bytes | None:
    """Return the payload, or ``None`` where ``fernet`` did not write this token, byte by byte."""
    if not _is_canonical(sealed.token):
        return None
    try:
        return fernet.decrypt(sealed.token)
    except InvalidToken:
        return None


def _is_canonical(token: bytes) -> bool:
    """Whether base64 has no other spelling of the same bytes (source: RFC 4648, section 3.5).

    Python's decoder, and so Fernet, passes over padding bits and whatever follows the padding.
    """
    padding = token.translate(None, _BASE64)
    last = token[-1 - len(padding) : len(token) - len(padding)]
    return (
        len(token) % 4 == 0
        and padding in _LAST_BEFORE
        and token.endswith(padding)
        and last in _LAST_BEFORE[padding]
    )


class _SealedAttribute:
    """Refuses plaintext where a sealed value belongs, at the moment of assignment."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: models.Model | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.name not in instance.__dict__:
            instance.refresh_from_db(fields=[self.name])
        return instance.__dict__[self.name]

    def __set__(self, instance: models.Model, value: Sealed | None) -> None:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.name} takes a Sealed value, never plaintext.")
        instance.__dict__[self.name] = value


class SealedField(EncryptedTextField):  # type: ignore[misc]  # its base has no types
    """A column of sealed values: opaque in Python, in dumps and in forms; nothing opens on load."""

    def contribute_to_class(self, cls: type[models.Model], name: str, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, self.attname, _SealedAttribute(self.attname))

    @property
    def fernet(self) -> MultiFernet:
        return master_keys().fernet

    def from_db_value(self, value: Any, expression: Any, connection: Any, *args: Any) -> Any:
        return None if value is None else Sealed.stored(value)

    def get_db_prep_save(self, value: Sealed | None, connection: Any) -> Any:
        return None if value is None else connection.Database.Binary(value.token)

    def get_prep_value(self, value: Any) -> Any:
        return value

    def to_python(self, value: Any) -> Sealed | None:
        """Accept a sealed value, or the token that ``dumpdata`` wrote."""
        if value is None or isinstance(value, Sealed):
            return value
        if isinstance(value, str) and value.startswith("gAAAA") and value.isascii():
            return Sealed(value.encode())
        raise ValidationError("This is not a sealed value.")

    def value_to_string(self, obj: models.Model) -> str | None:
        sealed = self.value_from_object(obj)
        return None if sealed is None else sealed.token.decode("ascii", "backslashreplace")

    def formfield(self, **kwargs: Any) -> None:
        return None
