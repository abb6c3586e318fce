"""Credential versions: one sealed value of an API key's credentials."""

import hmac
import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from apikeys import sealing
from apikeys.sealing import SealedField, Secrets

if TYPE_CHECKING:
    from .api_key import ApiKey

SLOT = "sealed"


class CredentialVersion(models.Model):
    """One value of an API key's credentials. Its token names it and the key as owners."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    api_key = models.ForeignKey("ApiKey", on_delete=models.CASCADE, related_name="versions")
    sealed = SealedField(null=True, editable=False)
    master_key = models.CharField(max_length=16, db_index=True, help_text="Its fingerprint.")
    parts = models.JSONField(default=list, help_text="Names of the secret fields that it holds.")
    hint = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=150)
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Credentials of {self.created_at:%Y-%m-%d %H:%M}"

    @classmethod
    def seal(
        cls, api_key: "ApiKey", secrets: Mapping[str, str], *, origins: Iterable[str], by: str
    ) -> "CredentialVersion":
        """Return a new, unsaved version that holds ``secrets``."""
        version = cls(api_key=api_key, created_by=by, parts=sorted(secrets))
        version.sealed = sealing.seal(secrets, owner=version.owner(api_key.pk), origins=origins)
        version.master_key = sealing.master_keys().primary
        version.hint = next(
            (
                hint
                for spec in api_key.scheme.secret_specs
                if spec.name in secrets and (hint := spec.hint_of(secrets[spec.name]))
            ),
            "",
        )
        version.fingerprint = fingerprint_credentials(secrets)
        return version

    def owner(self, api_key_id: uuid.UUID) -> str:
        return f"{api_key_id}/{self.pk}:{SLOT}"

    def destroy(self) -> None:
        """Overwrite the token, and all that was computed from the credentials. Saves."""
        self.sealed, self.hint, self.fingerprint = None, "", ""
        self.destroyed_at = timezone.now()
        self.save()

    def is_readable(self) -> bool:
        """Whether a master key recognises the token. Nothing is opened."""
        return sealing.master_keys().recognise(self.sealed)

    def open_for(self, api_key: "ApiKey", *, towards: Collection[str]) -> Secrets:
        """Open the credentials as ``api_key``'s, to send them to the origins ``towards``.

        Raises ``sealing.CannotOpen``, also where the row was pointed at by another key.
        """
        return sealing.open_sealed(self.sealed, owner=self.owner(api_key.pk), towards=towards)


class FingerprintKey(models.Model):
    """The key of the keyed fingerprints, itself sealed: a stolen database cannot test guesses."""

    THE_ONE = uuid.UUID(int=1)

    id = models.UUIDField(primary_key=True, default=THE_ONE, editable=False)
    sealed = SealedField(editable=False)

    def __str__(self) -> str:
        return "The key of the fingerprints"

    @classmethod
    def get(cls) -> bytes:
        """Return the key, made on first use. Raises ``sealing.CannotOpen``."""
        fresh = sealing.seal({"key": token_hex(32)}, owner=cls._owner(), origins=())
        row, _ = cls.objects.get_or_create(pk=cls.THE_ONE, defaults={"sealed": fresh})
        return bytes.fromhex(sealing.open_sealed(row.sealed, owner=cls._owner(), towards=())["key"])

    @classmethod
    def _owner(cls) -> str:
        return f"{cls.THE_ONE}:{SLOT}"


def fingerprint_credentials(secrets: Mapping[str, str]) -> str:
    """Return a keyed fingerprint that finds equal credentials, ``""`` where there are none."""
    if not secrets:
        return ""
    try:
        key = FingerprintKey.get()
    except sealing.CannotOpen:
        return ""  # without its key nothing can be compared; sealing goes on
    values = json.dumps(sorted(secrets.values())).encode()
    return hmac.digest(key, values, "sha256").hex()
