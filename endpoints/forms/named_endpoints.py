"""Several endpoints by their names: boxes to tick where there are few, a line where many."""

import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from apikeys.forms.named_key import SUGGESTIONS
from endpoints.models import Endpoint
from gatewayproject.accounts.forms.units import NameSetField
from gatewayproject.console.widgets import ComboboxField, ComboboxInput

BOXES = 50  # more than these are not ticked but typed
LONGEST = 200_000  # characters: some three thousand names
MAX_NAMED = 3  # endpoints in an error


class _Boxes(forms.CheckboxSelectMultiple):
    """Ticked by name, whichever way the names were posted."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return _split(_typed(data, name))


class _Line(ComboboxInput):
    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return _typed(data, name)


class NamedEndpointsField(ComboboxField, NameSetField):
    """The endpoints of those names. ``choose_from_all`` decides how they are asked for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=LONGEST, **kwargs)
        self.has_boxes = False

    def choose_from_all(self, typed: str) -> None:
        """Offer every endpoint to be ticked, or those that fit the last name in ``typed``."""
        few = list(Endpoint.objects.order_by("name")[: BOXES + 1])
        self.has_boxes = len(few) <= BOXES
        if self.has_boxes:
            choices = [(endpoint.name, endpoint.name) for endpoint in few]
            self.widget = _Boxes(choices=choices)  # type: ignore[assignment]  # a class in the stubs
            return
        attrs = {"data-remote": "", "data-several": "", "spellcheck": "false"}
        attrs |= {"autocapitalize": "none", "placeholder": "search, summaries"}
        self.widget = _Line(attrs)  # type: ignore[assignment]  # a class in the stubs
        self.help_text = "Names, separated by commas. Type to search."
        last_name = re.split(r"[\s,]", typed)[-1][:63].replace("\0", "")
        fitting = Endpoint.objects.search(last_name).sorted_by("name")[:SUGGESTIONS]
        self.offer(
            {"value": endpoint.name, "detail": "" if endpoint.enabled else "disabled"}
            for endpoint in fitting
        )

    def shown(self, names: Iterable[str]) -> list[str] | str:
        """Return the value of the input for ``names``."""
        return list(names) if self.has_boxes else ", ".join(names)

    def names_in(self, text: str) -> list[str]:
        return _split(text)

    def clean(self, value: Any) -> list[Endpoint]:
        names = _split(super().clean(value if isinstance(value, str) else " ".join(value or ())))
        found = list(Endpoint.objects.filter(name__in=names).order_by("name"))
        known = {endpoint.name for endpoint in found}
        if unknown := [name for name in names if name not in known]:
            names_quoted = ", ".join(f"“{name[:63]}”" for name in unknown[:MAX_NAMED])
            more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
            raise ValidationError(f"There is no endpoint called {names_quoted}{more}.")
        return found


def _typed(data: Any, name: str) -> str:
    values = data.getlist(name) if isinstance(data, MultiValueDict) else [data.get(name, "")]
    return ", ".join(value for value in values if value)


def _split(text: str) -> list[str]:
    """Return each name once, in the order in which they were typed."""
    return list(dict.fromkeys(re.findall(r"[^\s,]+", text.casefold())))
