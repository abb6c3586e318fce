"""Inputs for credentials. Stored values are never shown, and an empty input keeps them."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from apikeys.catalogue.fields import FieldSpec
from apikeys.models import ApiKey, Provider
from apikeys.models.auth_scheme import REMOVE
from gatewayproject.console.forms import RefusableForm
from gatewayproject.console.widgets import OptionalField, SecretInput, SecretTextarea

FARTHEST = timedelta(days=36525)


def secret_field(spec: FieldSpec, *, is_stored: bool, is_needed: bool) -> forms.CharField:
    """Return the input for one secret, which never comes back filled."""
    widget = SecretTextarea() if spec.is_document else SecretInput()
    widget.attrs["placeholder"] = (
        "Stored. Leave empty to keep it." if is_stored else spec.placeholder
    )
    if is_needed:
        widget.attrs["required"] = True
    return text_field(
        is_optional=not (spec.required or is_stored),
        label=spec.label,
        strip=False,
        widget=widget,
        help_text=spec.help,
    )


def text_field(*, is_optional: bool, **kwargs: Any) -> forms.CharField:
    """Return an input that the model checks, labelled as optional or not."""
    return OptionalField(**kwargs) if is_optional else forms.CharField(required=False, **kwargs)


def compromised_field() -> forms.BooleanField:
    return forms.BooleanField(
        required=False,
        label="The old key has leaked",
        help_text="It is destroyed now and cannot be rolled back.",
    )


def anyway_field(provider: Provider) -> forms.BooleanField:
    return forms.BooleanField(required=False, label=f"Save as {provider} anyway")


class RemovalForm(RefusableForm):
    """A checkbox for each optional secret that is stored, to drop it."""

    def offer_removals(self, api_key: ApiKey) -> None:
        stored = api_key.stored_parts()
        for spec in api_key.scheme.secret_specs:
            if spec.name in stored and not spec.required:
                label = f"Remove the stored {spec.label.lower()}"
                self.fields[REMOVE + spec.name] = forms.BooleanField(required=False, label=label)

    @property
    def removed(self) -> list[str]:
        """Names of the secrets to drop."""
        return [
            name.removeprefix(REMOVE)
            for name, value in self.cleaned_data.items()
            if name.startswith(REMOVE) and value
        ]


class LastDayField(forms.DateField):
    """The last day on which something works; its value is the end of that day.

    A day that was not edited keeps the ``stored`` time, even one in the past.
    """

    stored: datetime | None = None

    def __init__(self, *, is_optional: bool = True, **kwargs: Any) -> None:
        self.is_optional = is_optional
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
            raise ValidationError("Choose a future date, at most 100 years ahead.")
        return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))
