"""Sealing and opening: the only module that turns ciphertext into a secret.

A sealed value is a Fernet token whose payload names its owner (which row and column it was made
for) and the origins that it may be sent to. Opening checks both, so a token that is moved to
another row, or a row whose URL was edited, is refused here whatever the database says.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NoReturn

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from fernet_fields import EncryptedTextField

VERSION = 1
PADDED_TO = 256  # bytes: the length of a token tells little about the length of the secret
_MAC_SIZE = 32


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
        if sealed is None:
            return ""
        try:
            raw = urlsafe_b64decode(sealed.token)
        except ValueError:
            return ""
        body, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
        for name, key in self._signing_keys.items():
            if hmac.compare_digest(hmac.digest(key, body, "sha256"), mac):
                return name
        return ""

    def recognise(self, sealed: Sealed | None) -> bool:
        """Whether one of the keys made this token, whole and unchanged."""
        return bool(self.sealer_of(sealed))


class _Payload(msgspec.Struct):
    """What a token holds. Parsed by msgspec, as this is on the way of every request."""

    v: int
    owner: str
    origins: list[str]
    secret: dict[str, str]


_read = msgspec.json.Decoder(_Payload).decode


def master_keys() -> MasterKeys:
    """Return the master keys that the settings hold now."""
    return _master_keys(tuple(settings.FERNET_KEYS))


@lru_cache(maxsize=8)
def _master_keys(keys: tuple[str, ...]) -> MasterKeys:
    return MasterKeys(keys)


def fingerprint_of(master_key: str) -> str:
    """Return 16 hexadecimal digits that name a master key."""
    return hashlib.sha256(b"gatehouse master key\0" + master_key.encode()).hexdigest()[:16]


def seal(secrets: Mapping[str, str], *, owner: str, origins: Iterable[str]) -> Sealed:
    """Seal ``secrets`` for ``owner``, to be sent to ``origins`` and nowhere else."""
    payload = {"v": VERSION, "owner": owner, "origins": sorted(origins), "secret": dict(secrets)}
    text = json.dumps(payload, separators=(",", ":"))
    padding = " " * (-len(text) % PADDED_TO)  # white space that a JSON parser passes over
    return Sealed(master_keys().fernet.encrypt((text + padding).encode()))


def open_sealed(sealed: Sealed | None, *, owner: str, towards: Collection[str]) -> Secrets:
    """Return the secrets, for use towards the origins ``towards``; all must have been sealed in.

    Raises ``CannotOpen``.
    """
    if sealed is None:
        raise CannotOpen("The credentials were destroyed.")
    try:
        payload = _read(master_keys().fernet.decrypt(sealed.token))
    except InvalidToken:
        raise CannotOpen("No master key opens these credentials.") from None
    except ValueError:
        raise CannotOpen("These credentials were not sealed by Gatehouse.") from None
    if payload.v != VERSION:
        raise CannotOpen("These credentials were sealed by a newer Gatehouse.")
    if payload.owner != owner:
        raise CannotOpen("These credentials were sealed for another key.")
    if strange := set(towards).difference(payload.origins):
        raise CannotOpen(f"These credentials were not sealed for {', '.join(sorted(strange))}.")
    return Secrets(payload.secret)


def reseal(sealed: Sealed) -> Sealed | None:
    """Seal the same payload under the primary, and look whether it opens with the primary alone.

    Returns ``None`` where no master key opens ``sealed``.
    """
    keys = master_keys()
    try:
        payload = keys.fernet.decrypt(sealed.token)
    except InvalidToken:
        return None
    fresh = keys.primary_alone.encrypt(payload)
    if keys.primary_alone.decrypt(fresh) != payload:
        raise CannotOpen("What was just sealed does not open.")
    return Sealed(fresh)


def opens_with_primary(sealed: Sealed) -> bool:
    """Whether the primary opens this by itself, so that no other master key is needed for it."""
    try:
        master_keys().primary_alone.decrypt(sealed.token)
    except InvalidToken:
        return False
    return True


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


class SealedField(EncryptedTextField):
    """A column of sealed values: opaque in Python, in dumps and in forms; nothing opens on load."""

    def contribute_to_class(self, cls: type[models.Model], name: str, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, self.attname, _SealedAttribute(self.attname))

    @property
    def fernet(self) -> MultiFernet:
        return master_keys().fernet

    def from_db_value(self, value: Any, expression: Any, connection: Any, *args: Any) -> Any:
        return None if value is None else Sealed(bytes(value))

    def get_db_prep_save(self, value: Sealed | None, connection: Any) -> Any:
        return None if value is None else connection.Database.Binary(value.token)

    def get_prep_value(self, value: Any) -> Any:
        return value

    def to_python(self, value: Any) -> Sealed | None:
        """Accept a sealed value, or the token that ``dumpdata`` wrote."""
        if value is None or isinstance(value, Sealed):
            return value
        if isinstance(value, str) and value.startswith("gAAAA"):
            return Sealed(value.encode("ascii"))
        raise ValidationError("This is not a sealed value.")

    def value_to_string(self, obj: models.Model) -> str | None:
        sealed = self.value_from_object(obj)
        return None if sealed is None else sealed.token.decode("ascii")

    def formfield(self, **kwargs: Any) -> None:
        return None
