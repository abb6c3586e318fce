"""Inputs for credentials: what is stored is never shown, and left empty it stays."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.catalogue.fields import FieldSpec
from apikeys.models.auth_scheme import REMOVE

from .widgets import SecretInput, SecretTextarea

FARTHEST = timedelta(days=36525)


def secret_field(spec: FieldSpec, *, is_stored: bool, is_needed: bool) -> forms.CharField:
    """Return the input for one secret, which never comes back filled."""
    attrs = {"required": True} if is_needed else {}
    attrs["placeholder"] = "Stored. Leave empty to keep it." if is_stored else spec.placeholder
    field = forms.CharField(
        label=spec.label,
        required=False,
        strip=False,
        widget=SecretTextarea(**attrs) if spec.is_document else SecretInput(**attrs),
        help_text=spec.help,
    )
    field.is_optional = not (spec.required or is_stored)
    return field


def removal_field(spec: FieldSpec) -> forms.BooleanField:
    return forms.BooleanField(required=False, label=f"Remove the stored {spec.label.lower()}")


def compromised_field() -> forms.BooleanField:
    return forms.BooleanField(
        required=False,
        label="The old credentials are compromised",
        help_text="They are destroyed at once, and there is no way back to them.",
    )


def removed_in(cleaned_data: dict[str, Any]) -> list[str]:
    """Return the names of the optional secrets to drop."""
    return [
        name.removeprefix(REMOVE)
        for name, value in cleaned_data.items()
        if name.startswith(REMOVE) and value
    ]


class LastDayField(forms.DateField):
    """The last day on which something works; its value is the end of that day.

    A day that was not touched leaves the ``stored`` moment as it is, be it in the past.
    """

    is_optional = True
    stored: datetime | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
            input_formats=["%Y-%m-%d"],
            **kwargs,
        )

    def begin_with(self, stored: datetime | None) -> None:
        self.stored = stored
        self.initial = stored and timezone.localdate(stored)

    def clean(self, value: Any) -> datetime | None:
        day = super().clean(value)
        if day is None:
            return None
        if self.stored and day == timezone.localdate(self.stored):
            return self.stored
        today = timezone.localdate()
        if not today <= day <= today + FARTHEST:
            raise ValidationError("Choose a day to come, within a hundred years.")
        return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))
