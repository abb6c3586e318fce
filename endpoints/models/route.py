"""Routes: what an endpoint may use."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from apikeys.catalogue.origins import has_dot_segments
from apikeys.models import ApiKey
from gatewayproject.console.naming import validate_one_line


class Route(models.Model):
    """One (API key, model) that an endpoint may use."""

    class Kind(models.TextChoices):
        PRIMARY = "primary", "Primary"
        FALLBACK = "fallback", "Fallback"

    endpoint = models.ForeignKey("Endpoint", on_delete=models.CASCADE, related_name="routes")
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="routes",
        verbose_name="API key",
    )
    model = models.CharField(max_length=200, validators=[validate_one_line])
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PRIMARY)
    weight = models.PositiveSmallIntegerField(
        default=100,
        validators=[MaxValueValidator(100)],
        help_text="Share of requests, in percent.",
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-kind", "position", "id"]  # primary before fallback
        constraints = [
            models.CheckConstraint(condition=Q(weight__lte=100), name="endpoints_route_weight")
        ]

    def __str__(self) -> str:
        return self.model

    def clean_fields(self, exclude: Any = None) -> None:
        self.model = self.model.strip()
        super().clean_fields(exclude)
        if has_dot_segments(self.model):  # where it is put into a URL, that leads to another path
            raise ValidationError({"model": "Remove “.” and “..” between slashes in the model."})
