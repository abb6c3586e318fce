"""The time range of the usage on a page, from its URL."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from .time_ranges import LAST_HOURS, LONGEST, SPANS, Span, span_between


class UsageRangeForm(forms.Form):
    """The first and the last day of a range."""

    first = forms.DateField(label="From", widget=forms.DateInput({"type": "date"}))
    last = forms.DateField(label="To", widget=forms.DateInput({"type": "date"}))

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="usage_%s")
        today = timezone.localdate()
        for name in ("first", "last"):
            self.fields[name].widget.attrs["max"] = today.isoformat()

    def add_prefix(self, field_name: str) -> str:
        return {"first": "from", "last": "to"}.get(field_name, field_name)

    def clean_last(self) -> date:
        last: date = self.cleaned_data["last"]
        return min(last, timezone.localdate())

    def clean(self) -> None:
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if not first or not last:
            return
        if last < first:
            raise ValidationError("Choose a first day on or before the last day.")
        if (last - first).days >= LONGEST:
            raise ValidationError(f"Choose at most {LONGEST} days.")

    @property
    def span(self) -> Span | None:
        """Return the range, or None if the input is not valid."""
        if not self.is_valid():
            return None
        return span_between(self.cleaned_data["first"], self.cleaned_data["last"])


def span_of(query: Any) -> tuple[Span, UsageRangeForm]:
    """Return what the query of a URL asks for, and the form for a range."""
    if query.get("usage") == "custom":
        form = UsageRangeForm(query)
        return form.span or LAST_HOURS, form
    return SPANS.get(query.get("usage", ""), LAST_HOURS), UsageRangeForm(None)
