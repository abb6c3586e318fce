"""API keys."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from apikeys import dependents
from apikeys.sealing import Secrets

from .api_key_queries import ApiKeyQuerySet
from .auth_scheme import AuthScheme
from .credential_version import CredentialVersion
from .key_versions import KeyVersions
from .naming import same_name_key, tidy_name, validate_one_line, validate_printable
from .scheme_fields import SchemeFields

MAX_NAME_KEY = 240  # characters; some letters become several when their case is folded
MAX_DESCRIPTION = 1000  # characters
MAX_ROTATE_EVERY = 3650  # days
NAME_TAKEN = "Another API key already has this name."


class Environment(models.TextChoices):
    PRODUCTION = "production", "Production"
    STAGING = "staging", "Staging"
    DEVELOPMENT = "development", "Development"


class ApiKey(SchemeFields, KeyVersions, models.Model):
    """A provider's credentials under a name that people recognise.

    ``secrets`` holds credentials in the clear between a form and sealing; it is no column.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, validators=[validate_one_line])
    name_key = models.CharField(max_length=MAX_NAME_KEY, unique=True, editable=False)
    scheme = models.ForeignKey(
        AuthScheme,
        on_delete=models.PROTECT,
        related_name="api_keys",
        verbose_name="authentication method",
    )
    config = models.JSONField(default=dict, blank=True)
    environment = models.CharField(
        max_length=12, choices=Environment, default=Environment.PRODUCTION, db_index=True
    )
    team = models.CharField(max_length=80, blank=True, validators=[validate_one_line])
    description = models.TextField(
        max_length=MAX_DESCRIPTION,
        blank=True,
        validators=[validate_printable, MaxLengthValidator(MAX_DESCRIPTION)],
    )
    current = models.ForeignKey(
        CredentialVersion,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    pending = models.ForeignKey(
        CredentialVersion,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    previous = models.ForeignKey(
        CredentialVersion,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    enabled = models.BooleanField(default=True, editable=False)
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    rotate_every_days = models.PositiveSmallIntegerField(
        "rotate every",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_ROTATE_EVERY)],
        help_text="Days after which new credentials are due.",
    )
    # They follow from the current credentials and the two fields above; services keep them so.
    due_at = models.DateTimeField("due", null=True, editable=False)
    overdue_at = models.DateTimeField("overdue", null=True, editable=False)
    credentials_changed_at = models.DateTimeField(
        "last updated", default=timezone.now, editable=False
    )
    refused_at = models.DateTimeField("refused by provider", null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    rev = models.PositiveIntegerField(default=1, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        indexes = [
            # All that the list filters by, so that searching and counting read nothing but this.
            models.Index(
                fields=["name_key", "scheme", "environment", "id"], name="apikeys_by_name"
            ),
            models.Index(fields=["-credentials_changed_at", "-id"], name="apikeys_by_updated"),
            models.Index(fields=["-created_at", "-id"], name="apikeys_by_created"),
            # What each status of the list asks for; few keys have any of it.
            *(
                models.Index(
                    fields=[*moments, "name_key", "id"],
                    condition=models.Q(**{f"{moments[0]}__isnull": False}),
                    name=f"apikeys_by_{moments[0].removesuffix('_at')}",
                )
                for moments in (
                    ("refused_at",),
                    ("expires_at",),
                    ("due_at", "overdue_at", "expires_at"),
                    ("overdue_at",),
                )
            ),
            models.Index(
                fields=["name_key", "id"],
                condition=models.Q(enabled=False),
                name="apikeys_disabled",
            ),
        ]

    def __init__(self, *args: Any, secrets: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.secrets = Secrets(secrets or {})
        self.notes: list[str] = []

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_key = same_name_key(self.name)[:MAX_NAME_KEY]
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("apikeys:detail", args=[self.pk])

    def clean_fields(self, exclude: Iterable[str] | None = None) -> None:
        """Check each field; errors of the scheme's own fields carry those fields' names."""
        excluded = set(exclude or ())
        errors: dict[str, Any] = {}
        self.name = tidy_name(self.name)
        self.name_key = same_name_key(self.name)[:MAX_NAME_KEY]
        try:
            super().clean_fields({*excluded, *self._known_to_be_there(), "name_key"})
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if self.name and not self.name_key:
            errors.setdefault("name", []).append("Enter a name that can be seen.")
        if "scheme" not in errors and self.scheme_id and "config" not in excluded:
            errors = self._clean_scheme_fields(errors)
        self.notes = list(dict.fromkeys(self.notes))  # forms and services both clean
        if errors:
            raise ValidationError(errors)

    def _known_to_be_there(self) -> set[str]:
        """Return the references that need not be looked up: services set them, or they are loaded.

        A constraint of the database stands behind each of them.
        """
        loaded = {"scheme"} if ApiKey.scheme.is_cached(self) else set()
        return {"current", "pending", "previous", *loaded}

    def validate_unique(self, exclude: Iterable[str] | None = None) -> None:
        super().validate_unique({*(exclude or ()), "name_key"})
        if (
            "name" not in (exclude or ())
            and ApiKey.objects.named(self.name).exclude(pk=self.pk).exists()
        ):
            raise ValidationError({"name": ValidationError(NAME_TAKEN, code="unique")})

    def blast_radius(self) -> dependents.BlastRadius:
        """Return the endpoints that use this key."""
        return dependents.registry().of(self)
