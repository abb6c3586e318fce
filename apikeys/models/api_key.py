"""API keys."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from apikeys.catalogue.fields import FieldSpec
from apikeys.sealing import CannotOpen, Origins, Role
from gatewayproject.console.naming import (
    Named,
    search_key,
    strings_in,
    validate_one_line,
    validate_printable,
)

from .api_key_queries import ApiKeyQuerySet
from .auth_scheme import AuthScheme
from .credential_version import CredentialVersion
from .deadlines import Status, deadlines, statuses
from .provider import Provider
from .shallow_json import ShallowDecoder

SLOTS = ("pending", "current", "previous")  # of a key, for its credential versions

MAX_DESCRIPTION = 1000  # characters
MAX_ROTATE_EVERY = 3650  # days
MAX_EXPIRY_NOTICE = 365  # days


class Environment(models.TextChoices):
    PRODUCTION = "production", "Production"
    STAGING = "staging", "Staging"
    DEVELOPMENT = "development", "Development"


def _slot() -> "models.ForeignKey[CredentialVersion | None, CredentialVersion | None]":
    """Return the column of one of ``SLOTS``."""
    return models.ForeignKey(
        CredentialVersion,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )


class ApiKey(Named):
    """A provider's credentials under a name that people recognize."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scheme = models.ForeignKey(
        AuthScheme,
        on_delete=models.PROTECT,
        related_name="api_keys",
        verbose_name="authentication method",
    )
    config = models.JSONField(decoder=ShallowDecoder, default=dict, blank=True)
    environment = models.CharField(
        max_length=12, choices=Environment, default=Environment.PRODUCTION, db_index=True
    )
    team = models.CharField(max_length=80, blank=True, validators=[validate_one_line])
    description = models.TextField(
        max_length=MAX_DESCRIPTION,
        blank=True,
        validators=[validate_printable, MaxLengthValidator(MAX_DESCRIPTION)],
    )
    current = _slot()
    pending = _slot()
    previous = _slot()
    enabled = models.BooleanField(default=True, editable=False)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    rotate_every_days = models.PositiveSmallIntegerField(
        "rotation reminder",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_ROTATE_EVERY)],
        help_text="Days after which the key is marked Due.",
    )
    expiry_notice_days = models.PositiveSmallIntegerField(
        "expiry notice",
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_EXPIRY_NOTICE)],
        help_text="Days before it expires. Empty: EXPIRY_NOTICE_DAYS.",
    )
    # Computed from the current credentials and the fields above; services keep them up to date.
    notice_at = models.DateTimeField("expiring", null=True, editable=False)
    due_at = models.DateTimeField("due", null=True, editable=False)
    overdue_at = models.DateTimeField("overdue", null=True, editable=False)
    credentials_changed_at = models.DateTimeField(
        "last updated", default=timezone.now, editable=False
    )
    # The hour, in UTC, of the last request; the usage recorder keeps it up to date.
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    # Searched besides the name: hint, team and description.
    search_key = models.TextField(default="", editable=False)
    refused_at = models.DateTimeField("refused by provider", null=True, editable=False)
    refusal_seen_at = models.DateTimeField("last refused", null=True, editable=False)
    # Whether there are restrictions of the current credentials; see restriction.py.
    restricted = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    rev = models.PositiveIntegerField(default=1, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        indexes = [
            # All that the list filters by, so that searching and counting read nothing but this.
            models.Index(
                fields=["name_key", "scheme", "environment", "id", "search_key"],
                name="apikeys_by_name",
            ),
            models.Index(fields=["team", "scheme"], name="apikeys_by_team"),
            # Keys without a date are in these two as well: they are listed after those with one.
            models.Index(
                fields=["expires_at", "name_key", "id", "notice_at"], name="apikeys_by_expires"
            ),
            models.Index(
                fields=["last_used_at", "name_key", "id", "created_at"],
                name="apikeys_by_last_used",
            ),
            models.Index(fields=["-credentials_changed_at", "-id"], name="apikeys_by_updated"),
            models.Index(fields=["-created_at", "-id"], name="apikeys_by_created"),
            # Each status of the list; few keys have any of them.
            models.Index(
                fields=["refused_at", "name_key", "id"],
                condition=models.Q(refused_at__isnull=False),
                name="apikeys_by_refused",
            ),
            models.Index(
                fields=["due_at", "overdue_at", "expires_at", "name_key", "id"],
                condition=models.Q(due_at__isnull=False),
                name="apikeys_by_due",
            ),
            models.Index(
                fields=["overdue_at", "name_key", "id"],
                condition=models.Q(overdue_at__isnull=False),
                name="apikeys_by_overdue",
            ),
            models.Index(
                fields=["name_key", "id"],
                condition=models.Q(enabled=False),
                name="apikeys_disabled",
            ),
            models.Index(
                fields=["name_key", "id"],
                condition=models.Q(restricted=True),
                name="apikeys_restricted",
            ),
        ]

    def get_absolute_url(self) -> str:
        return reverse("apikeys:detail", args=[self.pk])

    def clean_fields(self, exclude: Iterable[str] | None = None) -> None:
        """Check the details. ``KeyDraft`` checks what the auth scheme declares."""
        # Set by services or loaded already, and a foreign key guards each: no need to query them.
        references = {"config", "current", "pending", "previous"}
        if self.scheme_id and ApiKey.scheme.is_cached(self):
            references.add("scheme")
        super().clean_fields({*(exclude or ()), *references})

    # --- Settings

    @property
    def provider(self) -> Provider:
        return self.scheme.provider

    @property
    def settings(self) -> dict[str, str]:
        """``config``, as far as it is well-formed."""
        stored = self.config if isinstance(self.config, dict) else {}
        return {name: value for name, value in stored.items() if isinstance(value, str)}

    def config_summary(self) -> list[tuple[FieldSpec, str]]:
        return [(spec, self.settings.get(spec.name, "")) for spec in self.scheme.config_specs]

    def origins(self, *roles: Role) -> dict[Role, str]:
        """Return the origins in ``roles``, or in all. Raises ``ValidationError``."""
        return self.scheme.origins_for(self.config, *roles)

    def is_well_formed(self) -> bool:
        """Whether the gateway can use the stored settings and the scheme's transport."""
        return self.settings == self.config and self.scheme.route is not None

    # --- Credential versions

    def stored_parts(self) -> list[str]:
        """Return the names of the secret fields that are stored."""
        try:
            return self.current.part_names if self.current else []
        except CredentialVersion.DoesNotExist:
            return []  # deleted concurrently

    def secret_summary(self) -> list[tuple[FieldSpec, bool]]:
        """Return each secret field and whether it is stored."""
        stored = self.stored_parts()
        return [(spec, spec.name in stored) for spec in self.scheme.secret_specs]

    def statuses(self) -> list[Status]:
        """Return all that apply, the worst first."""
        return statuses(self, timezone.now())

    def columns_with(self, version: CredentialVersion | None) -> dict[str, Any]:
        """Return the columns computed from the details while ``version`` is the current one."""
        hint = f"…{version.hint}" if version and version.hint else ""
        return {
            "search_key": search_key(hint, self.team, self.description),
            **deadlines(
                (version or self).created_at,
                expires_at=(version or self).expires_at,
                expiry_notice_days=self.expiry_notice_days,
                rotate_every_days=self.rotate_every_days,
            ),
        }

    def is_readable(self) -> bool:
        """Whether a master key matches the stored credentials. Decrypts nothing."""
        return self.current is not None and self.current.is_readable() and self.is_well_formed()

    def unreadable_because(self) -> str:
        """Decrypt the credentials and discard them; return why that fails, or ``""``."""
        if self.current is None:
            return "No credentials are stored."
        try:
            towards = self.origins(Role.API, Role.TOKEN)
        except ValidationError as error:
            return " ".join(error.messages)
        return self._refusal_of(self.current, towards=towards)

    def misfit_of(self, version: CredentialVersion) -> str:
        """Return why ``version`` cannot be used with the key's settings, or ``""``."""
        try:
            refusal = self._refusal_of(version, towards=self.origins())
        except ValidationError as error:
            return " ".join(error.messages)
        return refusal or self._undone_by(version)

    def _refusal_of(self, version: CredentialVersion, *, towards: Origins) -> str:
        try:
            version.open_for(self, towards=towards)
        except CannotOpen as error:
            return str(error)
        return ""

    def _undone_by(self, version: CredentialVersion) -> str:
        """Return what was edited after ``version`` was staged; it has the values from before."""
        if self.current is None or version.pk != self.pending_id or version.changes is None:
            return ""
        changes = strings_in(version.changes)
        try:
            now = self.current.open_for(self, towards={})
            then = version.open_for(self, towards={})
        except CannotOpen:
            return ""  # nothing to compare with, and the pending ones may be the remedy
        labels = [
            spec.label
            for spec in self.scheme.secret_specs
            if spec.name not in changes and now.get(spec.name) != then.get(spec.name)
        ]
        undo = "Promoting these credentials would undo a later edit"
        return f"{undo}: {', '.join(labels)}." if labels else ""
