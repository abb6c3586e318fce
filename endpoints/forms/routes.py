"""The routes of an endpoint in its form: one row of texts each."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from apikeys.forms import NamedKeyField
from apikeys.models import ApiKey
from endpoints.models import Endpoint, Route
from endpoints.services.routes import ALL_TRAFFIC, FIELDS, name_of

Row = dict[str, str]

PRIMARY, FALLBACK = Route.Kind.PRIMARY, Route.Kind.FALLBACK
READ_AT_MOST = 50  # rows; more than an endpoint may have, so that too many are refused, not lost

_NAME = re.compile(rf"(?:{'|'.join(FIELDS)})(?:_([1-9]\d?))?", re.ASCII)
_WEIGHT = re.compile(r"\s*(\d{1,3})\s*", re.ASCII)


def stored_rows(endpoint: Endpoint) -> list[Row]:
    return [
        {
            "kind": route.kind,
            "route": str(route.pk),
            "api_key": route.api_key.name if route.api_key else "",
            "model": route.model,
            "weight": str(route.weight),
        }
        for route in endpoint.routes.all()
    ]


def typed_rows(data: Mapping[str, Any]) -> list[Row]:
    """Return the rows that ``data`` has, primary ones first and at least one of them."""
    matches = filter(None, map(_NAME.fullmatch, data))
    numbers = sorted({1, *(int(match[1] or 1) for match in matches)})[:READ_AT_MOST]
    rows = [
        {field: str(data.get(name_of(field, number)) or "") for field in FIELDS}
        for number in numbers
    ]
    for row in rows:
        row["kind"] = FALLBACK.value if row["kind"] == FALLBACK else PRIMARY.value
    return in_form(rows)


def in_form(rows: list[Row]) -> list[Row]:
    """Return ``rows`` as the form lists them."""
    return [*(of_kind(rows, PRIMARY) or [empty_row(PRIMARY)]), *of_kind(rows, FALLBACK)]


def flat(rows: list[Row]) -> dict[str, str]:
    """Return the inputs that ``rows`` fill: ``model``, ``model_2``, …"""
    return {
        name_of(field, number): row[field] for number, row in enumerate(rows, 1) for field in FIELDS
    }


def of_kind(rows: list[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def empty_row(kind: str) -> Row:
    return {**dict.fromkeys(FIELDS, ""), "kind": str(kind)}


def weight_sum(rows: list[Row]) -> int:
    """Return what the weights of the primary rows add up to, as far as they are numbers."""
    matches = (_WEIGHT.fullmatch(row["weight"]) for row in of_kind(rows, PRIMARY))
    return sum(int(match[1]) for match in matches if match)


def title_of(rows: list[Row], number: int) -> str:
    """Return what the row of that number is called: Primary route 2, 1st fallback."""
    count = len(of_kind(rows, PRIMARY))
    if number > count:
        return fallback_title(number - count)
    return "Primary route" if count == 1 else f"Primary route {number}"


def fallback_title(place: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10 if place // 10 != 1 else 0, "th")
    return f"{place}{ending} fallback"


def fields_of(rows: list[Row]) -> dict[str, forms.Field]:
    """Return the fields that ``rows`` need. Weights are asked for where there is a choice."""
    shared = len(of_kind(rows, PRIMARY)) > 1
    fields: dict[str, forms.Field] = {}
    for number, row in enumerate(rows, 1):
        made = {**_hidden_fields(), "model": _model(), "api_key": _api_key(row["api_key"])}
        if shared and row["kind"] == PRIMARY:
            made["weight"] = _weight()
        if len(rows) > 1:  # each has its place in little room
            for field in made.values():
                field.help_text = ""
        fields |= {name_of(name, number): field for name, field in made.items()}
    return fields


def _hidden_fields() -> dict[str, forms.Field]:
    return {
        name: forms.CharField(required=False, widget=forms.HiddenInput)
        for name in ("kind", "route")
    }


def _model() -> forms.Field:
    return forms.CharField(
        label="Model",
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


def _api_key(typed: str) -> forms.Field:
    field = NamedKeyField(label="API key", required=False, help_text="Type to search by name.")
    field.widget.attrs["data-remote"] = "api_key"
    field.choose_from(ApiKey.objects.all(), typed.strip())
    return field


def _weight() -> forms.Field:
    return forms.IntegerField(
        label="Weight in %",
        min_value=0,
        max_value=ALL_TRAFFIC,
        error_messages={"required": "Enter a weight."},
        widget=forms.NumberInput({"inputmode": "numeric", "data-weight": ""}),
    )
