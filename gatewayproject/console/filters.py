"""Search, filter and sorting of a list. An invalid query is not an error."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms


class SearchField(forms.CharField):
    """The text to search for."""

    def __init__(self, placeholder: str, *, max_length: int = 80) -> None:
        attrs = {"type": "search", "placeholder": placeholder, "autocomplete": "off"}
        widget = forms.TextInput(attrs)
        super().__init__(label="Search", required=False, max_length=max_length, widget=widget)


class ListForm(forms.Form):
    """Search by name, filter by status, and sort."""

    q = SearchField("Search by name")
    state = forms.ChoiceField(label="Status", required=False)
    sort = forms.CharField(required=False, widget=forms.HiddenInput, max_length=20)

    states: Sequence[tuple[str, str]] = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")
        cast(forms.ChoiceField, self.fields["state"]).choices = [("", "Any status"), *self.states]
        self.is_valid()

    @property
    def is_filtered(self) -> bool:
        return any(self.cleaned_data.get(name) for name in ("q", "state"))

    @property
    def sort_key(self) -> str:
        return self.cleaned_data.get("sort") or "name"
