"""An input for what the user types to confirm an action."""

from django import forms


class ConfirmationField(forms.CharField):
    """A name or a phrase. The form sets the label, and the service compares it."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            strip=True,
            max_length=200,
            label="",
            widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        )
