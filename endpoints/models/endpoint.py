"""Endpoints: the names that applications call."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from apikeys.models.naming import same_name_key, validate_printable

from .route import Route

# Words with a meaning of their own in the gateway's URLs.
RESERVED_NAMES = frozenset(
    "v1 v1beta v1beta1 mlflow openai anthropic gemini google azure bedrock vertex models model "
    "chat completions embeddings responses messages gateway api admin new health healthz readyz "
    "metrics".split()
)
SORTS = {
    "name": ("name",),
    "-name": ("-name",),
    "updated": ("updated_at", "id"),
    "-updated": ("-updated_at", "-id"),
    "created": ("created_at", "id"),
    "-created": ("-created_at", "-id"),
}
NAME_TAKEN = "Another endpoint already has this name."

validate_url_form = RegexValidator(
    r"^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z",
    "Use lower-case letters, digits, hyphens, underscores and dots, "
    "and begin and end with a letter or digit.",
)


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def search(self, text: str) -> "EndpointQuerySet":
        """Keep those whose name contains ``text``."""
        key = same_name_key(text)
        return self.filter(name__contains=key) if key else self

    def sorted_by(self, sort: str) -> "EndpointQuerySet":
        return self.order_by(*SORTS.get(sort, SORTS["name"]))

    def with_status(self) -> "EndpointQuerySet":
        """Annotate whether any route has a key."""
        keyed = Route.objects.filter(endpoint=OuterRef("pk"), api_key__isnull=False)
        return self.annotate(has_key=Exists(keyed))

    def in_state(self, state: str) -> "EndpointQuerySet":
        """Keep those in one ``Endpoint.State``."""
        match state:
            case Endpoint.State.ACTIVE:
                return self.with_status().filter(enabled=True, has_key=True)
            case Endpoint.State.DISABLED:
                return self.with_status().filter(enabled=False, has_key=True)
            case Endpoint.State.NO_KEY:
                return self.with_status().filter(has_key=False)
        return self

    def with_routes(self) -> "EndpointQuerySet":
        return self.prefetch_related(
            models.Prefetch("routes", Route.objects.select_related("api_key__scheme__provider"))
        )


class Endpoint(models.Model):
    """The name that applications call."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"
        NO_KEY = "no_key", "No key"

    name = models.CharField(max_length=63, unique=True, validators=[validate_url_form])
    enabled = models.BooleanField(default=True)
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
                {
                    "name": f"{self.name} has a meaning of its own in the gateway's URLs. "
                    "Choose another name."
                }
            )

    def state(self) -> State:
        if not any(route.api_key_id for route in self.routes.all()):
            return self.State.NO_KEY
        return self.State.ACTIVE if self.enabled else self.State.DISABLED
