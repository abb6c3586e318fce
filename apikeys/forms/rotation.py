"""The forms of rotating an API key."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apikeys.blast_radius import BlastRadius
from apikeys.models import ApiKey, KeyDraft
from apikeys.models.api_key import SLOTS
from gatewayproject.console.forms import RefusableForm
from gatewayproject.console.widgets import RevisionField

from .confirmation import ConfirmationField
from .credentials import LastDayField, RemovalForm, anyway_field, compromised_field, secret_field


class ActionForm(RefusableForm):
    """Only a confirmation. It carries the revision of the key that the user saw."""

    rev = RevisionField()

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius | None = None
    ) -> None:
        self.api_key = api_key
        super().__init__(data, initial={"rev": api_key.rev})

    @property
    def seen_rev(self) -> int:
        return self.cleaned_data["rev"] or 0


class PromoteForm(ActionForm):
    """Asks for the key's name if no test was passed."""

    confirmation = ConfirmationField()
    compromised = compromised_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.api_key.pending is None or self.api_key.pending.has_passed:
            del self.fields["confirmation"]
        else:
            label = f"Type {self.api_key.name} to promote without a passing test"
            self.fields["confirmation"].label = label


class DisableForm(ActionForm):
    """Carries a digest of the endpoints that the user saw."""

    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius) -> None:
        super().__init__(data, api_key=api_key)
        self.initial["seen"] = radius.digest()


class TestForm(ActionForm):
    """Carries which version to test."""

    slot = forms.ChoiceField(choices=[(slot, slot) for slot in SLOTS], widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, typed: str = "", **kwargs: Any
    ) -> None:
        super().__init__(data, api_key=api_key, **kwargs)
        self.initial["slot"] = typed or ("pending" if api_key.pending else "current")


class SecretsForm(RemovalForm, ActionForm):
    """Credentials for ``api_key``, as a ``draft``. Errors land on the inputs."""

    def clean(self) -> dict[str, Any]:
        data, key = self.cleaned_data, self.api_key
        names = [spec.name for spec in key.scheme.secret_specs]
        secrets = {name: data[name] for name in names if data.get(name)}
        draft = KeyDraft.of(key, secrets=secrets, anyway=bool(self.data.get("anyway")))
        self.draft = draft.check(exclude=set(self.errors) - {NON_FIELD_ERRORS})
        self.show(ValidationError(self.draft.errors))
        if self.draft.looks_like:
            self.fields["anyway"] = anyway_field(key.provider)
        return data


class StageForm(SecretsForm):
    """New credentials for ``api_key``; what is left empty is kept from the current ones."""

    def __init__(self, data: Any = None, *, api_key: ApiKey, **kwargs: Any) -> None:
        super().__init__(data, api_key=api_key, **kwargs)
        stored = api_key.stored_parts()
        specs = api_key.scheme.secret_specs
        for spec in specs:
            is_stored = spec.name in stored
            self.fields[spec.name] = secret_field(
                spec, is_stored=is_stored and len(specs) > 1, is_needed=len(specs) == 1
            )
        self.offer_removals(api_key)
        for spec in specs[:1]:
            self.fields[spec.name].widget.attrs["autofocus"] = True
            self.fields["expires_at"] = LastDayField(
                label="Expires", help_text="If the provider set an expiry date."
            )
