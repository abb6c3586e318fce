"""Move the endpoints of an API key to another key."""

from collections.abc import Iterable
from typing import Any

from django import forms

from apikeys.blast_radius import BlastRadius, Dependent
from apikeys.models import ApiKey
from gatewayproject.console.forms import RefusableForm

from .named_key import NamedKeyField

MOST_NAMES = 200  # boxes; where there are more endpoints, all are moved


class MoveForm(RefusableForm):
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, radius: BlastRadius, typed: str = ""
    ) -> None:
        names = [dependent.name for dependent in radius.dependents]
        super().__init__(data, initial={"seen": radius.digest(), "target": typed, "names": names})
        self.radius = radius
        target = NamedKeyField(
            label="Move to", required=False, help_text="A key with the same API and models."
        )
        has_choice = target.choose_from(ApiKey.objects.that_can_replace(api_key), typed)
        self.is_possible = bool(names) and (has_choice or bool(typed))
        self.fields["target"] = target
        if len(names) <= MOST_NAMES:
            self.fields["names"] = forms.MultipleChoiceField(
                label="Endpoints",
                required=False,
                widget=forms.CheckboxSelectMultiple,
                choices=[(name, name) for name in names],
            )

    def boxes(self) -> Iterable[tuple[Any, Dependent]]:
        """Return a box for each endpoint, and what is known of it."""
        return zip(self["names"], self.radius.dependents, strict=True)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not data.get("target") and "target" not in self.errors:
            self.add_error("target", "Choose a key to move the endpoints to.")
        if "names" not in self.fields:
            data["names"] = [dependent.name for dependent in self.radius.dependents]
        elif not data.get("names") and "names" not in self.errors:
            self.add_error("names", "Choose at least one endpoint.")
        return data
