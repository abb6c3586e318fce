"""Endpoints: the names that applications call."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from gatewayproject.console.naming import folded, validate_printable

from .route import Route

ENDPOINT_NAME = r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?"  # as a regular expression
# Words with a meaning of their own in the gateway's URLs.
RESERVED_NAMES = frozenset(
    "v1 v1alpha v1beta v1beta1 mlflow openai anthropic gemini google azure bedrock vertex models "
    "model endpoints chat completions embeddings responses messages gateway api admin new health "
    "healthz readyz metrics".split()
)
SORTS = {
    "name": ("name",),
    "-name": ("-name",),
    "updated": ("updated_at", "id"),
    "-updated": ("-updated_at", "-id"),
    "created": ("created_at", "id"),
    "-created": ("-created_at", "-id"),
}

validate_url_form = RegexValidator(
    rf"^{ENDPOINT_NAME}\Z",
    "Use lower-case letters, digits, hyphens, underscores and dots, "
    "beginning and ending with a letter or digit.",
)


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def search(self, text: str) -> "EndpointQuerySet":
        """Keep those whose name contains ``text``."""
        key = folded(text)
        return self.filter(name__contains=key) if key else self

    def sorted_by(self, sort: str) -> "EndpointQuerySet":
        return self.order_by(*SORTS.get(sort, SORTS["name"]))

    def with_routes(self) -> "EndpointQuerySet":
        return self.prefetch_related(
            models.Prefetch(
                "routes",
                Route.objects.select_related("api_key__scheme__provider", "api_key__current"),
            )
        )


class Endpoint(models.Model):
    """The name that applications call."""

    class State(models.TextChoices):
        """Whether it serves; see ``services.health``."""

        ACTIVE = "active", "Active"
        DEGRADED = "degraded", "Degraded"  # some routes cannot serve
        DOWN = "down", "Down"  # none can
        DISABLED = "disabled", "Disabled"

        @property
        def tone(self) -> str:
            """How a badge shows it."""
            return {self.ACTIVE: "ok", self.DEGRADED: "warning", self.DOWN: "danger"}.get(self, "")

    name = models.CharField(max_length=63, unique=True, validators=[validate_url_form])
    enabled = models.BooleanField(default=True)
    sticky = models.BooleanField(
        "keep conversations on one route",
        default=False,
        help_text="Shares traffic by conversation instead of by request, so that the providers' "
        "prompt caches are used.",
    )
    description = models.TextField(
        max_length=1000, blank=True, validators=[validate_printable, MaxLengthValidator(1000)]
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    rev = models.PositiveIntegerField(default=1, editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-updated_at", "-id"], name="endpoints_by_updated"),
            models.Index(fields=["-created_at", "-id"], name="endpoints_by_created"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("endpoints:detail", args=[self.name])

    def clean_fields(self, exclude: Any = None) -> None:
        self.name = self.name.strip()
        super().clean_fields(exclude)

    def clean(self) -> None:
        if self.name in RESERVED_NAMES:
            raise ValidationError(
                {"name": f"{self.name} is reserved in the gateway's URLs. Choose another name."}
            )

    def is_in_use(self) -> bool:
        """Whether applications may depend on it: it is enabled, and a route has a key."""
        return self.enabled and any(route.api_key_id for route in self.routes.all())
