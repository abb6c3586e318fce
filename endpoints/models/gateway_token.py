"""Gateway tokens: what an application presents to the gateway."""

import hashlib
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from gatewayproject.console.naming import Named, NamedQuerySet, name_key_of

from .endpoint import Endpoint

PREFIX = "gh_"
SHOWN = len(PREFIX) + 6  # characters that identify a token; the other 37 are not stored


class GatewayTokenQuerySet(NamedQuerySet["GatewayToken"]):
    def of_applications(self) -> "GatewayTokenQuerySet":
        """Keep those that people made for applications; the rest come and go with “Try it”."""
        return self.filter(purpose=GatewayToken.Purpose.APPLICATION)

    def search(self, text: str) -> "GatewayTokenQuerySet":
        key = name_key_of(text)
        return self.filter(name_key__contains=key) if key else self

    def in_state(self, state: str) -> "GatewayTokenQuerySet":
        """Keep those in one ``GatewayToken.State``."""
        expired = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
        match state:
            case GatewayToken.State.ACTIVE:
                return self.filter(~expired, revoked_at__isnull=True)
            case GatewayToken.State.EXPIRED:
                return self.filter(expired, revoked_at__isnull=True)
            case GatewayToken.State.REVOKED:
                return self.filter(revoked_at__isnull=False)
        return self


class GatewayToken(Named):
    """What an application presents. The token itself is shown once and stored as SHA-256 only.

    A fast hash is enough: the token is 256 random bits, which cannot be guessed.
    """

    class Purpose(models.TextChoices):
        APPLICATION = "application", "Application"
        TRIAL = "trial", "Try it"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        EXPIRED = "expired", "Expired"
        REVOKED = "revoked", "Revoked"

        @property
        def tone(self) -> str:
            """How a badge shows it."""
            return {self.ACTIVE: "ok", self.REVOKED: "danger"}.get(self, "")

    digest = models.CharField("SHA-256", max_length=64, unique=True, editable=False)
    prefix = models.CharField("prefix", max_length=SHOWN, editable=False)
    purpose = models.CharField(
        max_length=11, choices=Purpose, default=Purpose.APPLICATION, editable=False
    )
    all_endpoints = models.BooleanField(
        "all endpoints", default=False, help_text="Including future ones."
    )
    endpoints = models.ManyToManyField(Endpoint, blank=True, related_name="tokens")
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    revoked_at = models.DateTimeField("revoked", null=True, blank=True, editable=False)
    created_at = models.DateTimeField("created", default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)

    objects = GatewayTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "gateway token"
        ordering = ["-created_at", "-id"]

    def get_absolute_url(self) -> str:
        return reverse("endpoints:token", args=[self.pk])

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields({*(exclude or ()), "digest", "prefix"})

    def validate_unique(self, exclude: Any = None) -> None:
        super().validate_unique({*(exclude or ()), "digest"})

    def clean(self) -> None:
        if self._state.adding and self.expires_at and self.expires_at <= timezone.now():
            raise ValidationError({"expires_at": "Choose a time in the future."})

    @property
    def has_page(self) -> bool:
        """Whether it is listed: tokens of “Try it” come and go."""
        return self.purpose == self.Purpose.APPLICATION

    def generate(self) -> str:
        """Give this token a new value and return it, for the only time it can be seen."""
        token = PREFIX + secrets.token_urlsafe(32)
        self.digest, self.prefix = digest_of(token), token[:SHOWN]
        return token

    def state(self) -> State:
        if self.revoked_at is not None:
            return self.State.REVOKED
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.State.EXPIRED if expired else self.State.ACTIVE


def digest_of(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
