"""The forms of endpoints."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import QueryDict

from endpoints import services
from endpoints.models import Endpoint
from gatewayproject.accounts.forms.merge import BaseField, MergeForm
from gatewayproject.accounts.forms.units import Unit, unit_of
from gatewayproject.console.forms import RefusableForm
from gatewayproject.console.three_way_merge import Base, digest
from gatewayproject.console.widgets import OptionalField, RevisionField

from .route_buttons import buttons_of
from .routes import PRIMARY, EndpointRoutes, RouteForm, RoutesFormSet, empty_row, stored_rows

DETAILS = (*services.DETAILS, "rev")
BASE = "base"
SHAPE = "shape"  # which routes there are, and in which order


class EndpointForm(MergeForm, RefusableForm):
    """An endpoint and its routes. The models check them; errors land on the inputs.

    ``initial`` with ``routes`` is all that was typed; any other is put on what is stored, ``model``
    and ``api_key`` on the first route.
    """

    name = forms.CharField(
        required=False,
        widget=forms.TextInput(
            {
                "required": True,
                "placeholder": "search-assistant",
                "autocomplete": "off",
                "spellcheck": "false",
                "autocapitalize": "none",
            }
        ),
        help_text="Lower-case letters, digits, hyphens. Apps use it as the model name.",
    )
    enabled = forms.BooleanField(
        required=False, initial=True, help_text="A disabled endpoint rejects every request."
    )
    sticky = forms.BooleanField(
        required=False,
        label="Keep conversations on one route",
        help_text=Endpoint._meta.get_field("sticky").help_text,
    )
    description = OptionalField(strip=False, widget=forms.Textarea({"rows": 2}))
    rev = RevisionField()
    base = BaseField()

    def __init__(
        self,
        data: Any = None,
        *,
        endpoint: Endpoint,
        initial: Mapping[str, Any] | None = None,
        focus: str = "name",
    ) -> None:
        self.endpoint, self.focus = endpoint, focus
        is_new = endpoint._state.adding
        typed = dict(initial or {})
        details = {} if is_new else {name: getattr(endpoint, name) for name in DETAILS}
        super().__init__(data, initial=details | typed)
        if data is None:
            stored = [empty_row(PRIMARY)] if is_new else stored_rows(endpoint)
            rows = typed.get("routes") or stored
            rows[0] |= {name: typed[name] for name in ("model", "api_key") if name in typed}
            self.formset = EndpointRoutes(initial=rows)
        else:
            self.formset = self._posted_routes(data)
        self.merge_with_stored(is_new=is_new)
        for form in self.formset.forms:
            form.suggest_keys()
            form.buttons = buttons_of(self.formset.rows(), form.index)
            if focus.startswith(f"{form.prefix}-"):
                form[focus.removeprefix(f"{form.prefix}-")].field.widget.attrs["autofocus"] = True
        if focus in self.fields:
            self.fields[focus].widget.attrs["autofocus"] = True

    def _posted_routes(self, data: QueryDict) -> RoutesFormSet:
        is_new = self.endpoint._state.adding
        routes = () if is_new else self.endpoint.routes.all()
        return EndpointRoutes(data, stored={str(route.pk): route for route in routes})

    @property
    def owner(self) -> Endpoint:
        return self.endpoint

    def stored_form(self) -> "EndpointForm":
        return EndpointForm(endpoint=self.endpoint)

    def units(self) -> dict[str, Unit]:
        """Return the inputs, and the routes as a whole: for when some were added or moved."""
        units = super().units()
        for name, (form, field) in self._route_fields().items():
            units[name] = unit_of(form, field)
            if len(self.formset.forms) > 1:
                units[name].label += f" of {form.title.lower()}"
        rows = self.formset.rows()
        shape = "\n".join(f"{row['kind']} {row['route']}" for row in rows)
        lines = "\n".join(form.line() for form in self.formset.forms)
        inputs = {name: [text] for name, text in self.formset.inputs().items()}
        return {
            **units,
            "routes": Unit("Routes", f"{shape}\n{lines}", lines, inputs),
            SHAPE: Unit("Routes", shape, "", {}),
        }

    def _route_fields(self) -> dict[str, tuple[RouteForm, str]]:
        """Return the form and the field of each unit of a route.

        Those of a single route are named as in the audit events that tell who changed them.
        """
        forms = self.formset.forms
        return {
            name if len(forms) == 1 else form.add_prefix(name): (form, name)
            for form in forms
            for name in ("model", "api_key", "weight")
            if name in form.fields
        }

    def place_of(self, unit: str) -> tuple[forms.BaseForm, str]:
        return self._route_fields().get(unit) or super().place_of(unit)

    def comparable(self, theirs: Mapping[str, Unit], base: Base) -> set[str]:
        """Compare route by route, unless there are others, or in another order."""
        mine = self.units()
        shapes = {digest(units[SHAPE].value or "") for units in (theirs, mine)}
        if SHAPE in base.digests:
            shapes.add(base.digests[SHAPE])
        if len(shapes) == 1:
            return {*theirs, *mine} - {"routes", SHAPE}
        return {*services.DETAILS, "routes"}

    def take(self, data: QueryDict) -> None:
        super().take(data)
        self.formset = self._posted_routes(data)
        if "routes" in self.review.widgets:
            self.fields["routes"] = forms.CharField(label="Routes", required=False)

    def is_valid(self) -> bool:
        return super().is_valid() and self.formset.is_valid()

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        for name in services.DETAILS:
            setattr(self.endpoint, name, data.get(name, ""))
        try:
            self.endpoint.full_clean(exclude=set(self.errors) - {NON_FIELD_ERRORS})
        except ValidationError as error:
            self.show(error)
        for message in self.formset.non_form_errors():
            self.add_error(None, message)
        self.routes = [form.instance for form in self.formset.forms]
        return data

    def show(self, error: ValidationError) -> None:
        """Add each message to its input, of a route as well, or to the form if it has none."""
        errors = error.update_error_dict({})
        for form in self.formset.forms:
            for field in form.fields:
                messages = errors.pop(form.add_prefix(field), None)
                if messages and field not in form.errors:
                    form.add_error(field, ValidationError(messages))
        super().show(ValidationError(errors))


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
        if not endpoint.is_in_use():
            del self.fields["confirmation"]
