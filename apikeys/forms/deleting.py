"""Delete an API key."""

from typing import Any

from django import forms

from apikeys.dependents import BlastRadius
from apikeys.models import ApiKey

from .base import RefusableForm
from .widgets import NamedKeyField


class DeleteApiKeyForm(RefusableForm):
    """Asks for as much as is at stake: nothing, a replacement, or the key's name."""

    replacement = NamedKeyField(
        label="Move the endpoints to", required=False, help_text="Another key of the same provider."
    )
    confirmation = forms.CharField(
        required=False,
        strip=True,
        max_length=200,
        label="Or type the name of the key, to delete it anyway",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius, typed: str = ""
    ) -> None:
        super().__init__(data, initial={"seen": radius.digest(), "replacement": typed})
        others = ApiKey.objects.filter(scheme__provider=api_key.scheme.provider_id)
        self.fields["replacement"].choose_from(others.exclude(pk=api_key.pk), typed)
        self.offers_replacement = bool(radius) and bool(
            self.fields["replacement"].widget.options or typed
        )
        if not radius:
            del self.fields["replacement"]
        if not radius.active:
            del self.fields["confirmation"]
        elif not self.offers_replacement:
            self.fields["confirmation"].label = "Type the name of the key, to delete it"
