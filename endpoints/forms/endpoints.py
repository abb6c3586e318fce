"""The forms of endpoints."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apikeys.forms import OptionalField, RefusableForm, RevisionField
from endpoints import services
from endpoints.models import Endpoint, Route
from endpoints.services.routes import ALL_TRAFFIC, FIELDS, MOST_ROUTES, clean_routes, name_of

from .rearranging import buttons_of
from .routes import (
    FALLBACK,
    PRIMARY,
    fields_of,
    flat,
    in_form,
    stored_rows,
    title_of,
    typed_rows,
    weight_sum,
)

DETAILS = (*services.DETAILS, "rev")


class EndpointForm(RefusableForm):
    """An endpoint and its routes. The models check them; errors land on the inputs.

    The first route's inputs are called ``model`` and ``api_key``, those of the next ``model_2``, …
    ``initial`` that has a ``kind`` is all that was typed; any other is put on what is stored.
    """

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
            }
        ),
        help_text="Applications call it by this name, so it is written as in a URL.",
    )
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
        initial: Mapping[str, Any] | None = None,
        focus: str = "name",
    ) -> None:
        self.endpoint, self.focus = endpoint, focus
        source = data if data is not None else self._initial(initial or {})
        self.rows = typed_rows(source)
        details = {name: source[name] for name in DETAILS if name in source}
        filled = details | flat(self.rows)
        super().__init__(filled if data is not None else None, initial=filled)
        self.fields.update(fields_of(self.rows))
        if focus in self.fields:
            self.fields[focus].widget.attrs["autofocus"] = True

    def _initial(self, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.endpoint._state.adding:
            return typed
        details = {name: getattr(self.endpoint, name) for name in DETAILS}
        stored = {} if "kind" in typed else flat(in_form(stored_rows(self.endpoint)))
        return {**details, **stored, **typed}

    def route_rows(self) -> list[dict[str, Any]]:
        """Return each route as templates show it: its title, its inputs and its buttons."""
        return [
            {
                "title": title_of(self.rows, number),
                "buttons": buttons_of(self.rows, number),
                "number": number,
                "is_fallback": row["kind"] == FALLBACK,
                **{
                    field: self[name]
                    for field in FIELDS
                    if (name := name_of(field, number)) in self.fields
                },
            }
            for number, row in enumerate(self.rows, 1)
        ]

    @property
    def weight_sum(self) -> int:
        return weight_sum(self.rows)

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= MOST_ROUTES

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        for name in services.DETAILS:
            setattr(self.endpoint, name, data.get(name, ""))
        self.routes = self._routes()
        for check in (self._check_endpoint, self._check_routes):
            try:
                check()
            except ValidationError as error:
                self.show(error)
        return data

    def _check_endpoint(self) -> None:
        self.endpoint.full_clean(exclude=set(self.errors) - {NON_FIELD_ERRORS})

    def _check_routes(self) -> None:
        clean_routes(self.routes, known=set(self.errors))

    def _routes(self) -> list[Route]:
        """Return what was typed as routes: stored ones where they are still there, or else new."""
        adding = self.endpoint._state.adding
        stored = {} if adding else {str(route.pk): route for route in self.endpoint.routes.all()}
        routes = []
        for number, row in enumerate(self.rows, 1):
            route = stored.pop(row["route"], None) or Route()
            self._fill(route, number, row["kind"])
            routes.append(route)
        return routes

    def _fill(self, route: Route, number: int, kind: str) -> None:
        data, key_name = self.cleaned_data, name_of("api_key", number)
        route.kind = kind
        route.model = data.get(name_of("model", number), "")
        route.api_key = data.get(key_name)
        if kind == PRIMARY:
            route.weight = data.get(name_of("weight", number), ALL_TRAFFIC)
        if route.api_key is None and route._state.adding and key_name not in self.errors:
            self.add_error(key_name, "Choose an API key, or create one.")


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
        if endpoint.state() != Endpoint.State.ACTIVE:
            del self.fields["confirmation"]
