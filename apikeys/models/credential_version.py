"""Credential versions: one sealed value of an API key's credentials."""

import hmac
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

from apikeys import sealing
from apikeys.censored_values import uncensored_names
from apikeys.sealing import Origins, Sealed, SealedField, Secrets
from gatewayproject.console.naming import strings_in

from .deadlines import is_expiring
from .shallow_json import ShallowDecoder

if TYPE_CHECKING:
    from .api_key import ApiKey

SLOT = "sealed"


class Verdict(models.TextChoices):
    """What a test of credentials found."""

    WORKS = "works", "Test passed"
    REFUSED = "refused", "Test refused"  # the provider does not recognize these credentials
    LIMITED = "limited", "Test not permitted"  # recognized, but this call is not allowed
    NO_CREDIT = "no_credit", "No credit left"  # recognized, but the account cannot pay
    RATE_LIMITED = "rate_limited", "Test rate limited"  # too many requests
    UNREACHABLE = "unreachable", "Test could not connect"
    UNCHECKABLE = "uncheckable", "Not verifiable"  # no free call that requires valid credentials
    UNCLEAR = "unclear", "Test inconclusive"  # the response does not show it

    @property
    def tone(self) -> str:
        """How a badge shows it."""
        return {Verdict.WORKS: "ok", Verdict.REFUSED: "danger"}.get(self, "warning")


class CredentialVersion(models.Model):
    """One value of an API key's credentials. Its token names it and the key as owners."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    api_key = models.ForeignKey("ApiKey", on_delete=models.CASCADE, related_name="versions")
    sealed: Sealed | None = SealedField(null=True, editable=False)
    master_key = models.CharField(max_length=16, help_text="Fingerprint of the master key.")
    parts = models.JSONField(
        decoder=ShallowDecoder, default=list, help_text="Names of the secret fields stored here."
    )
    changes = models.JSONField(
        decoder=ShallowDecoder,
        null=True,
        help_text="Names of the secret fields that staging changed.",
    )
    uncensored = models.JSONField(
        decoder=ShallowDecoder,
        default=list,
        help_text="Secret fields and headers that are not removed from responses.",
    )
    hint = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField(null=True, blank=True)  # as typed, or as their kind has it
    tested_at = models.DateTimeField(null=True, blank=True)
    test_outcome = models.CharField(max_length=20, blank=True, choices=Verdict)
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
        cls, api_key: "ApiKey", secrets: Mapping[str, str], *, origins: Origins, by: str
    ) -> "CredentialVersion":
        """Return a new, unsaved version that holds ``secrets``."""
        version = cls(api_key=api_key, created_by=by, parts=sorted(secrets))
        version.uncensored = uncensored_names(secrets)
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
        """Overwrite the token and everything computed from the credentials. Saves."""
        self.sealed, self.hint, self.fingerprint = None, "", ""
        self.destroyed_at = timezone.now()
        self.save(update_fields=["sealed", "hint", "fingerprint", "destroyed_at"])

    def step_back(self) -> None:
        """Record that it became the previous version. Saves."""
        self.replaced_at = timezone.now()
        self.save(update_fields=["replaced_at"])

    @property
    def part_names(self) -> list[str]:
        """``parts``, as far as they are well-formed."""
        return strings_in(self.parts)

    @property
    def uncensored_labels(self) -> list[str]:
        """``uncensored`` in the words of the form; a header is called by its name."""
        labels = {spec.name: spec.label for spec in self.api_key.scheme.secret_specs}
        return [labels.get(name, name) for name in strings_in(self.uncensored)]

    @property
    def has_passed(self) -> bool:
        """Whether the last test proved that these credentials work."""
        return self.test_outcome == Verdict.WORKS

    @property
    def verdict(self) -> Verdict | None:
        """What the last test found."""
        return Verdict(self.test_outcome) if self.test_outcome in Verdict.values else None

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_expiring(self) -> bool:
        """Whether they expire within the key's notice period."""
        return is_expiring(self.expires_at, self.api_key.expiry_notice_days, timezone.now())

    @property
    def kept_until(self) -> datetime | None:
        """When ``destroy_previous`` destroys it, if it is the previous version."""
        return self.replaced_at and self.replaced_at + timedelta(days=settings.PREVIOUS_KEPT_DAYS)

    def is_readable(self) -> bool:
        """Whether a master key matches the token. Decrypts nothing."""
        return sealing.master_keys().recognize(self.sealed)

    def open_for(self, api_key: "ApiKey", *, towards: Origins) -> Secrets:
        """Open the credentials as ``api_key``'s, to send them to the origins ``towards``.

        Raises ``sealing.CannotOpen``, also where the row was pointed at by another key.
        """
        return sealing.open_sealed(self.sealed, owner=self.owner(api_key.pk), towards=towards)


def owner_of(api_key_id: uuid.UUID | None, version_id: uuid.UUID | None) -> str:
    """Return the owner that the credentials of a version are encrypted for."""
    return f"{api_key_id}/{version_id}:{SLOT}"


class FingerprintKey(models.Model):
    """The key of the keyed fingerprints, itself sealed: a stolen database cannot test guesses."""

    THE_ONE = uuid.UUID(int=1)

    id = models.UUIDField(primary_key=True, default=THE_ONE, editable=False)
    sealed: Sealed = SealedField(editable=False)

    def __str__(self) -> str:
        return "The key of the fingerprints"

    @classmethod
    def get(cls) -> bytes:
        """Return the key, made on first use. Raises ``sealing.CannotOpen``."""
        owner = f"{cls.THE_ONE}:{SLOT}"

        def new_key() -> Sealed:
            return sealing.seal({"key": token_hex(32)}, owner=owner, origins={})

        row, _ = cls.objects.get_or_create(pk=cls.THE_ONE, defaults={"sealed": new_key})
        return bytes.fromhex(sealing.open_sealed(row.sealed, owner=owner, towards={})["key"])


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
