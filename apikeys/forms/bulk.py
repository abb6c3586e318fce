"""The forms of actions on many API keys."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey, Environment
from apikeys.models.api_key import MAX_ROTATE_EVERY
from apikeys.services import MOST_KEYS, deletion_phrase
from apikeys.services.bulk import BULK_DETAILS
from gatewayproject.console.forms import RefusableForm

from .confirmation import ConfirmationField

MAX_SELECTED = 64 * (MOST_KEYS + 1)  # characters: a UUID and a revision for each


class BulkForm(RefusableForm):
    """Carries the keys that the user saw, and their revisions."""

    selected = forms.CharField(widget=forms.HiddenInput, max_length=MAX_SELECTED)

    def __init__(
        self,
        data: Any = None,
        *,
        keys: Sequence[ApiKey],
        typed: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(typed or {}))
        self.keys = keys
        self.radius = blast_radius_of(*self.touched())
        self.initial["selected"] = " ".join(f"{key.pk}:{key.rev}" for key in keys)

    def touched(self) -> list[ApiKey]:
        """Return the keys whose endpoints may stop working."""
        return []

    @staticmethod
    def revs_in(data: Mapping[str, str]) -> dict[UUID, int]:
        """Return the keys that were posted with their revisions, or none if they are malformed."""
        try:
            pairs = (pair.split(":") for pair in data.get("selected", "")[:MAX_SELECTED].split())
            return {UUID(key): int(rev) for key, rev in pairs}
        except ValueError:
            return {}


class BulkDisableForm(BulkForm):
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self.radius.digest()

    def touched(self) -> list[ApiKey]:
        return [key for key in self.keys if key.enabled]


class BulkDeleteForm(BulkDisableForm):
    """Asks for a phrase while an active endpoint uses any of the keys."""

    confirmation = ConfirmationField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.pop("confirmation", None)
        if self.radius.active:
            phrase = deletion_phrase(len(self.keys))
            self.fields["confirmation"].label = f"Type “{phrase}” to delete them"
        else:
            del self.fields["confirmation"]

    def touched(self) -> list[ApiKey]:
        return list(self.keys)


class BulkDetailsForm(BulkForm):
    """A value and a checkbox for each detail: only checked ones are changed."""

    set_environment = forms.BooleanField(label="Change the environment", required=False)
    environment = forms.ChoiceField(choices=Environment, required=False)
    set_team = forms.BooleanField(label="Change the team", required=False)
    team = forms.CharField(required=False, max_length=80, help_text="Empty: no team.")
    set_rotate_every_days = forms.BooleanField(label="Change the rotation reminder", required=False)
    rotate_every_days = forms.IntegerField(
        label="Rotation reminder, days",
        required=False,
        min_value=1,
        max_value=MAX_ROTATE_EVERY,
        help_text="Empty: no reminder.",
    )

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not any(data.get(f"set_{name}") for name in BULK_DETAILS):
            self.add_error(None, "Check what to change.")
        for name in BULK_DETAILS:
            if not data.get(f"set_{name}"):
                self.errors.pop(name, None)
                if name != "environment" and data.get(name):  # a list always has a value
                    self.add_error(name, "Check the box above to apply this.")
        return data

    def values_to_set(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {name: data[name] for name in BULK_DETAILS if data.get(f"set_{name}")}
