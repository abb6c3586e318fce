"""Delete an API key."""

from typing import Any

from django import forms

from apikeys.blast_radius import BlastRadius
from apikeys.models import ApiKey
from gatewayproject.console.forms import RefusableForm
from gatewayproject.console.wording import counted

from .confirmation import ConfirmationField
from .named_key import NamedKeyField


def deleted(api_key: ApiKey, radius: BlastRadius, form: "DeleteApiKeyForm") -> str:
    """Return the message after ``api_key`` was deleted."""
    message = f"Deleted {api_key.name}."
    if not radius:
        return message
    count = counted(len(radius), "endpoint")
    if replacement := form.cleaned_data.get("replacement"):
        return f"{message} {count} now use{'s' if len(radius) == 1 else ''} {replacement.name}."
    return f"{message} {count} no longer {'has' if len(radius) == 1 else 'have'} this key."


class DeleteApiKeyForm(RefusableForm):
    """Asks for a replacement or the key's name if endpoints use the key."""

    confirmation = ConfirmationField()
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius, typed: str = ""
    ) -> None:
        super().__init__(data, initial={"seen": radius.digest(), "replacement": typed})
        replacement = NamedKeyField(
            label="Move the endpoints to",
            required=False,
            help_text="A key with the same API and models.",
        )
        has_choice = replacement.choose_from(ApiKey.objects.that_can_replace(api_key), typed)
        self.offers_replacement = bool(radius) and (has_choice or bool(typed))
        if radius:
            self.fields["replacement"] = replacement
        if not radius.active:
            del self.fields["confirmation"]
        elif self.offers_replacement:
            self.fields["confirmation"].label = f"Or type {api_key.name} to delete it anyway"
        else:
            self.fields["confirmation"].label = f"Type {api_key.name} to delete it"

    def clean(self) -> dict[str, Any]:
        """Do what the button promises: move the endpoints, or leave them without this key.

        Enter presses neither button, so the input decides.
        """
        data = self.cleaned_data
        if self.data.get("move") and not data.get("replacement"):
            if "replacement" in self.fields and "replacement" not in self.errors:
                self.add_error("replacement", "Choose a key to move the endpoints to.")
        elif self.data.get("move") == "":
            data["replacement"] = None
        return data
