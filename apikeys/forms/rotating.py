"""Rotate an API key: what each of the acts asks for."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apikeys.dependents import BlastRadius
from apikeys.models import ApiKey
from apikeys.models.auth_scheme import REMOVE
from apikeys.models.key_versions import SLOTS
from apikeys.sealing import Secrets

from .base import RefusableForm
from .credentials import (
    LastDayField,
    compromised_field,
    removal_field,
    removed_in,
    secret_field,
)
from .widgets import RevisionField


class ActForm(RefusableForm):
    """Nothing to type. It carries which picture of the key the person saw."""

    rev = RevisionField()

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius | None = None
    ) -> None:
        self.api_key = api_key
        super().__init__(data, initial={"rev": api_key.rev})

    @property
    def given(self) -> dict[str, Any]:
        """What the service of the act takes."""
        return {**self.cleaned_data, "rev": self.cleaned_data["rev"] or 0}


class PromoteForm(ActForm):
    """Asks for the key's name where no test was passed."""

    confirmation = forms.CharField(
        required=False,
        strip=True,
        max_length=200,
        label="Type the name of the key, to promote them without a passed test",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    compromised = compromised_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.api_key.pending is None or self.api_key.pending.has_passed:
            del self.fields["confirmation"]


class DisableForm(ActForm):
    """Carries which endpoints the person saw to depend on the key."""

    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius) -> None:
        super().__init__(data, api_key=api_key)
        self.initial["seen"] = radius.digest()


class CheckForm(ActForm):
    """Says which of the versions to test."""

    slot = forms.ChoiceField(choices=[(slot, slot) for slot in SLOTS], widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, typed: str = "", **kwargs: Any
    ) -> None:
        super().__init__(data, api_key=api_key, **kwargs)
        self.initial["slot"] = typed or ("pending" if api_key.pending else "current")


class SecretsForm(ActForm):
    """Credentials for ``api_key``. The model checks them; errors land on the inputs."""

    def offer_removals(self) -> None:
        stored = self.api_key.stored_parts()
        for spec in self.api_key.scheme.secret_specs:
            if spec.name in stored and not spec.required:
                self.fields[REMOVE + spec.name] = removal_field(spec)

    @property
    def removed(self) -> list[str]:
        """Names of the optional secrets to drop."""
        return removed_in(self.cleaned_data)

    def clean(self) -> dict[str, Any]:
        data, key = self.cleaned_data, self.api_key
        names = [spec.name for spec in key.scheme.secret_specs]
        key.secrets = Secrets({name: data[name] for name in names if data.get(name)})
        try:
            key.full_clean(exclude=set(self.errors) - {NON_FIELD_ERRORS})
        except ValidationError as error:
            self.show(error)
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
        self.offer_removals()
        for spec in specs[:1]:
            self.fields[spec.name].widget.attrs["autofocus"] = True
            self.fields["expires_at"] = LastDayField(
                label="Expires", help_text="If the provider gave them a last day."
            )

    @property
    def given(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "rev": data["rev"] or 0,
            "remove": self.removed,
            "expires_at": data.get("expires_at"),
        }
