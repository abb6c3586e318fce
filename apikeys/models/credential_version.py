"""Credential versions: one sealed value of an API key's credentials."""

import hmac
import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from apikeys import checks, sealing
from apikeys.sealing import SealedField, Secrets

from .deadlines import NOTICE

if TYPE_CHECKING:
    from .api_key import ApiKey

SLOT = "sealed"
TEST_WORDS = {
    checks.WORKS: "Test passed",
    checks.REFUSED: "Refused in the test",
    checks.LIMITED: "May not be tested",
    checks.NO_CREDIT: "No credit left",
    checks.RATE_LIMITED: "Tested too often",
    checks.UNREACHABLE: "Not reached in the test",
    checks.UNCHECKABLE: "Cannot be tested for free",
    checks.UNCLEAR: "Unclear test",
}


class CredentialVersion(models.Model):
    """One value of an API key's credentials. Its token names it and the key as owners."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    api_key = models.ForeignKey("ApiKey", on_delete=models.CASCADE, related_name="versions")
    sealed = SealedField(null=True, editable=False)
    master_key = models.CharField(max_length=16, help_text="Its fingerprint.")
    parts = models.JSONField(default=list, help_text="Names of the secret fields that it holds.")
    changes = models.JSONField(
        null=True,
        help_text="Names of the secret fields that staging changed; it kept the rest as they were.",
    )
    hint = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField(null=True, blank=True)  # as typed, or as their kind has it
    tested_at = models.DateTimeField(null=True, blank=True)
    test_outcome = models.CharField(max_length=20, blank=True)  # see apikeys.checks
    replaced_at = models.DateTimeField(null=True, blank=True)  # when it became the previous one
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            # Which master keys are needed is asked at every /readyz; destroyed versions need none.
            models.Index(
                fields=["master_key"],
                condition=models.Q(sealed__isnull=False),
                name="apikeys_version_sealed_under",
            ),
        ]

    def __str__(self) -> str:
        return f"Credentials of {self.created_at:%Y-%m-%d %H:%M}"

    @classmethod
    def seal(
        cls, api_key: "ApiKey", secrets: Mapping[str, str], *, origins: Iterable[str], by: str
    ) -> "CredentialVersion":
        """Return a new, unsaved version that holds ``secrets``."""
        version = cls(api_key=api_key, created_by=by, parts=sorted(secrets))
        if lifetime := api_key.scheme.lifetime_of(secrets):
            version.expires_at = (version.created_at + lifetime).replace(microsecond=0)
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
        return owner_of(api_key_id, self.pk)

    def destroy(self) -> None:
        """Overwrite the token, and all that was computed from the credentials. Saves."""
        self.sealed, self.hint, self.fingerprint = None, "", ""
        self.destroyed_at = timezone.now()
        self.save(update_fields=["sealed", "hint", "fingerprint", "destroyed_at"])

    def step_back(self) -> None:
        """Remember since when others are used in its place. Saves."""
        self.replaced_at = timezone.now()
        self.save(update_fields=["replaced_at"])

    @property
    def has_passed(self) -> bool:
        """Whether the last test proved that these credentials work."""
        return self.test_outcome == checks.WORKS

    @property
    def test_words(self) -> str:
        return TEST_WORDS.get(self.test_outcome, "")

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def expires_soon(self) -> bool:
        """Whether that is a matter of days."""
        ahead = self.expires_at is not None and not self.has_expired
        return ahead and self.expires_at < timezone.now() + NOTICE

    @property
    def kept_until(self) -> datetime | None:
        """When ``destroy_previous`` destroys it, now that others are used in its place."""
        return self.replaced_at and self.replaced_at + timedelta(days=settings.PREVIOUS_KEPT_DAYS)

    def is_readable(self) -> bool:
        """Whether a master key recognises the token. Nothing is opened."""
        return sealing.master_keys().recognise(self.sealed)

    def open_for(self, api_key: "ApiKey", *, towards: Collection[str]) -> Secrets:
        """Open the credentials as ``api_key``'s, to send them to the origins ``towards``.

        Raises ``sealing.CannotOpen``, also where the row was pointed at by another key.
        """
        return sealing.open_sealed(self.sealed, owner=self.owner(api_key.pk), towards=towards)


def owner_of(api_key_id: uuid.UUID | None, version_id: uuid.UUID | None) -> str:
    """Return whom the credentials of a version are sealed for."""
    return f"{api_key_id}/{version_id}:{SLOT}"


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
