"""Search, filters and sorting of the list. Whatever the URL says, there is a page."""

from typing import Any

from django import forms

from apikeys.models import ApiKey, Environment, Provider
from apikeys.models.api_key_queries import ApiKeyQuerySet
from apikeys.models.deadlines import Status


class ApiKeyListForm(forms.Form):
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=80,
        widget=forms.TextInput(
            {"type": "search", "placeholder": "Search by name", "autocomplete": "off"}
        ),
    )
    provider = forms.ChoiceField(required=False)
    environment = forms.ChoiceField(
        required=False, choices=[("", "All environments"), *Environment.choices]
    )
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *Status.choices])
    sort = forms.CharField(required=False, widget=forms.HiddenInput, max_length=20)

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")
        self.providers = list(Provider.objects.values_list("slug", "name"))
        self.fields["provider"].choices = [("", "All providers"), *self.providers]
        self.is_valid()

    @property
    def is_filtered(self) -> bool:
        return any(
            self.cleaned_data.get(name) for name in ("q", "provider", "environment", "status")
        )

    @property
    def sort_key(self) -> str:
        return self.cleaned_data.get("sort") or "name"

    def keys(self) -> ApiKeyQuerySet:
        """Return the keys that the URL asks for. A filter that makes no sense finds nothing."""
        if self.errors:
            return ApiKey.objects.none()
        chosen = self.cleaned_data
        keys = ApiKey.objects.search(chosen["q"]).sorted_by(self.sort_key)
        if chosen["provider"]:
            keys = keys.filter(scheme__in=self._schemes(chosen["provider"]))
        if chosen["environment"]:
            keys = keys.filter(environment=chosen["environment"])
        return keys.in_status(chosen["status"])

    def _schemes(self, slug: str) -> list[int]:
        return list(Provider.objects.filter(slug=slug).values_list("schemes", flat=True))
