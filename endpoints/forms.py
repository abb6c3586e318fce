"""The forms of endpoints."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apikeys.forms import NamedKeyField, OptionalField, RefusableForm, RevisionField
from apikeys.models import ApiKey
from endpoints.models import Endpoint, EndpointQuerySet, Route


class EndpointListForm(forms.Form):
    """Search, filter and sorting of the list. Whatever the URL says, there is a page."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=80,
        widget=forms.TextInput(
            {"type": "search", "placeholder": "Search by name", "autocomplete": "off"}
        ),
    )
    state = forms.ChoiceField(
        label="Status",
        required=False,
        choices=[
            ("", "Any status"),
            ("active", "Active"),
            ("disabled", "Disabled"),
            ("no_key", "No key"),
        ],
    )
    sort = forms.CharField(required=False, widget=forms.HiddenInput, max_length=20)

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")
        self.is_valid()

    @property
    def is_filtered(self) -> bool:
        return any(self.cleaned_data.get(name) for name in ("q", "state"))

    @property
    def sort_key(self) -> str:
        return self.cleaned_data.get("sort") or "name"

    def endpoints(self) -> EndpointQuerySet:
        if self.errors:
            return Endpoint.objects.none()
        chosen = self.cleaned_data
        return (
            Endpoint.objects.search(chosen["q"]).in_state(chosen["state"]).sorted_by(self.sort_key)
        )


class EndpointForm(RefusableForm):
    """An endpoint and its first route. The models check them; errors land on the inputs."""

    name = forms.CharField(
        required=False,
        widget=forms.TextInput(
            {
                "required": True,
                "maxlength": 63,
                "placeholder": "search-assistant",
                "autocomplete": "off",
                "spellcheck": "false",
                "autocapitalize": "none",
                "autofocus": True,
            }
        ),
        help_text="Applications call it by this name, so it is written as in a URL.",
    )
    model = forms.CharField(
        required=False,
        widget=forms.TextInput(
            {
                "required": True,
                "maxlength": 200,
                "placeholder": "gpt-5-mini",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
        help_text="The provider's name of the model, or the Azure deployment.",
    )
    api_key = NamedKeyField(label="API key", required=False, help_text="Type to search by name.")
    enabled = forms.BooleanField(
        required=False, initial=True, help_text="A disabled endpoint answers nobody."
    )
    description = OptionalField(strip=False, widget=forms.Textarea({"rows": 2, "maxlength": 1000}))
    rev = RevisionField()

    def __init__(
        self,
        data: Any = None,
        *,
        endpoint: Endpoint,
        route: Route,
        initial: dict[str, Any] | None = None,
    ) -> None:
        self.endpoint, self.route = endpoint, route
        super().__init__(data, initial=self._initial() | (initial or {}))
        typed = (data or initial or {}).get("api_key", "")
        self.fields["api_key"].choose_from(ApiKey.objects.all(), typed.strip())

    def _initial(self) -> dict[str, Any]:
        if self.endpoint._state.adding:
            return {}
        details = {
            name: getattr(self.endpoint, name) for name in ("name", "enabled", "description", "rev")
        }
        return {**details, "model": self.route.model, "api_key": self.route.api_key or ""}

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        for name in ("name", "enabled", "description"):
            setattr(self.endpoint, name, data.get(name, ""))
        self.route.model = data.get("model", "")
        self.route.api_key = data.get("api_key")
        if (
            self.route.api_key is None
            and "api_key" not in self.errors
            and self.endpoint._state.adding
        ):
            self.add_error("api_key", "Choose an API key, or create one.")
        known = set(self.errors) - {NON_FIELD_ERRORS}
        for row, exclude in ((self.endpoint, known), (self.route, known | {"endpoint"})):
            try:
                row.full_clean(exclude=exclude)
            except ValidationError as error:
                self.show(error)
        return data


class DeleteEndpointForm(RefusableForm):
    """An active endpoint asks for its name."""

    confirmation = forms.CharField(
        required=False,
        strip=True,
        max_length=200,
        label="Type the name of the endpoint",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    rev = RevisionField()

    def __init__(self, data: Any = None, *, endpoint: Endpoint) -> None:
        super().__init__(data, initial={"rev": endpoint.rev})
        if endpoint.state() != "active":
            del self.fields["confirmation"]
