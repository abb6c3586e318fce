"""The routes of an endpoint in its form: a formset with one form for each."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory

from apikeys.forms import NamedKeyField
from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
from endpoints.services.routes import (
    ALL_TRAFFIC,
    FIELDS,
    MOST_ROUTES,
    PREFIX,
    check_routes,
    fallback_title,
)

Row = dict[str, str]  # what the inputs of one route hold

PRIMARY, FALLBACK = Route.Kind.PRIMARY, Route.Kind.FALLBACK
READ_AT_MOST = 50  # routes; more than an endpoint may have, so that too many are refused, not lost


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """One route. ``route`` is the primary key of a stored one."""

    index = 0
    title = ""  # such as "1st fallback"
    buttons: Mapping[str, str] = {}

    kind = forms.Field(required=False, widget=forms.HiddenInput)
    route = forms.Field(required=False, widget=forms.HiddenInput)
    model = forms.CharField(
        label="Model",
        widget=forms.TextInput(
            {
                "required": True,
                "placeholder": "gpt-5-mini",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
        help_text="Model ID at the provider, or your Azure deployment.",
    )
    api_key = NamedKeyField(label="API key", required=False, help_text="Type to search by name.")
    weight = forms.IntegerField(
        label="Weight in %",
        min_value=0,
        max_value=ALL_TRAFFIC,
        error_messages={"required": "Enter a weight."},
        widget=forms.NumberInput({"inputmode": "numeric", "data-weight": ""}),
    )

    class Meta:
        model = Route
        fields = ("kind", "model", "api_key", "weight")

    def __init__(self, *args: Any, has_help: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.help_text = field.help_text if has_help else ""

    @property
    def is_fallback(self) -> bool:
        return bool(self["kind"].value() == FALLBACK)

    def row(self) -> Row:
        values = {name: self[name].value() for name in FIELDS if name in self.fields}
        kind = FALLBACK if self.is_fallback else PRIMARY
        return {name: str(value or "") for name, value in values.items()} | {"kind": kind.value}

    def line(self) -> str:
        """Return the route as people read it."""
        row = self.row()
        weight = f" · {row['weight']}%" if "weight" in row else ""
        return f"{self.title}: {row['model']} · {row['api_key'] or 'no key'}{weight}"

    def suggest_keys(self) -> None:
        field = cast(NamedKeyField, self.fields["api_key"])
        field.widget.attrs["data-remote"] = "api_key"
        field.choose_from(ApiKey.objects.all(), self.row()["api_key"].strip())

    def clean_kind(self) -> str:
        return self.row()["kind"]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not self.is_fallback and "weight" not in self.fields:
            self.instance.weight = ALL_TRAFFIC
        # A stored route may have lost its key, and stay so.
        is_new = self.instance._state.adding
        if is_new and data.get("api_key") is None and "api_key" not in self.errors:
            self.add_error("api_key", "Choose an API key, or create one.")
        return data


class CheckedFormSet(BaseFormSet):  # type: ignore[type-arg]  # generic only in the stubs
    """Routes that have to make sense together: for the page, and for the inline of the admin."""

    def clean(self) -> None:
        super().clean()
        if not self.is_valid():  # of each form; nothing is known of them together yet
            return
        kept = [form for form in self.forms if form not in self.deleted_forms]
        check_routes([form.instance for form in kept if form.instance.pk or form.has_changed()])


class RoutesFormSet(CheckedFormSet):
    """The routes of an endpoint on its page. Primary routes are listed first.

    Weights are asked for if there are several primary routes. ``stored`` has the routes that can be
    edited, by primary key.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        initial: list[Row] | None = None,
        stored: Mapping[str, Route] | None = None,
    ) -> None:
        self._stored = dict(stored or {})
        super().__init__(data, initial=initial, prefix=PREFIX)
        rows = self.rows()
        is_shared = len(of_kind(rows, PRIMARY)) > 1
        for index, form in enumerate(self.forms):
            form.index, form.title = index, title_of(rows, index)
            if form.is_fallback or not is_shared:
                del form.fields["weight"]

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Find the stored route that a form was posted for, once."""
        prefix = "" if index is None else self.add_prefix(index)
        route = self._stored.pop(str(self.data.get(f"{prefix}-route")), None)
        has_help = self.total_form_count() == 1  # several have little space each
        return {"instance": route, "empty_permitted": False, "has_help": has_help}

    def rows(self) -> list[Row]:
        return [form.row() for form in self.forms]

    def inputs(self) -> dict[str, str]:
        """Return what a browser posts of the routes."""
        management = self.management_form
        texts = {
            management.add_prefix(name): str(management[name].value())
            for name in ("TOTAL_FORMS", "INITIAL_FORMS")
        }
        for form in self.forms:
            texts |= {form.add_prefix(name): text for name, text in form.row().items()}
        return texts

    def weight_sum(self) -> int:
        return weight_sum(self.rows())

    def is_full(self) -> bool:
        return len(self.forms) >= MOST_ROUTES

    def primary(self) -> list[RouteForm]:
        return [form for form in self.forms if not form.is_fallback]

    def fallbacks(self) -> list[RouteForm]:
        return [form for form in self.forms if form.is_fallback]


EndpointRoutes = cast(
    type[RoutesFormSet],
    formset_factory(
        RouteForm, formset=RoutesFormSet, extra=0, max_num=MOST_ROUTES, absolute_max=READ_AT_MOST
    ),
)


def stored_rows(endpoint: Endpoint) -> list[Row]:
    """Return the routes of ``endpoint`` as its form lists them."""
    return in_form(
        [
            {
                "kind": route.kind,
                "route": str(route.pk),
                "api_key": route.api_key.name if route.api_key else "",
                "model": route.model,
                "weight": str(route.weight),
            }
            for route in endpoint.routes.all()
        ]
    )


def typed_rows(data: Mapping[str, Any]) -> list[Row]:
    """Return the routes that ``data`` has, as the form lists them."""
    return in_form(EndpointRoutes(data).rows())


def in_form(rows: list[Row]) -> list[Row]:
    """Return ``rows`` as the form lists them: primary ones first, and at least one of them."""
    return [*(of_kind(rows, PRIMARY) or [empty_row(PRIMARY)]), *of_kind(rows, FALLBACK)]


def of_kind(rows: list[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def empty_row(kind: str) -> Row:
    return {**dict.fromkeys(FIELDS, ""), "kind": str(kind)}


def weight_sum(rows: list[Row]) -> int:
    """Return what the weights of the primary rows add up to, as far as they are numbers."""
    texts = [row.get("weight", "").strip() for row in of_kind(rows, PRIMARY)]
    return sum(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 4)


def title_of(rows: list[Row], index: int) -> str:
    """Return what the row at ``index`` is called: Primary route 2, 1st fallback."""
    kind = rows[index]["kind"]
    place = len(of_kind(rows[: index + 1], kind))
    if kind == FALLBACK:
        return fallback_title(place)
    return f"Primary route {place}" if len(of_kind(rows, PRIMARY)) > 1 else "Primary route"
