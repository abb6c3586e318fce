"""Search and filters of the Activity page. An invalid query shows an empty page, not an error."""

from datetime import datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.utils import timezone
from django.utils.text import capfirst

from gatewayproject.accounts.event_labels import KINDS
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.accounts.models.audit_event import AuditEventQuerySet
from gatewayproject.console.filters import SearchField

MAX_CHOICES = 500  # people or actions


class ActivityForm(forms.Form):
    q = SearchField("Search name or person", max_length=120)
    person = forms.ChoiceField(required=False)
    action = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Everything"),
            *((kind, f"{capfirst(name)}s") for kind, name in KINDS.items()),
        ],
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput({"type": "date"}))

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="filter_%s")
        person, action = (
            cast(forms.ChoiceField, self.fields[name]) for name in ("person", "action")
        )
        person.choices = [("", "Everyone"), *_values("actor")]
        action.choices = [("", "All actions"), *_values("act")]
        self.is_valid()

    @property
    def is_filtered(self) -> bool:
        return bool(self.errors) or any(self.cleaned_data.values())

    def events(self) -> AuditEventQuerySet:
        """Return the matching events, newest first. An invalid filter matches nothing."""
        if self.errors:
            return AuditEvent.objects.none()
        chosen, events = self.cleaned_data, AuditEvent.objects.all()
        if chosen["q"]:
            events = events.search(chosen["q"])
        for name, column in (("person", "actor"), ("action", "act"), ("kind", "subject_type")):
            if chosen[name]:
                events = events.filter(**{column: chosen[name]})
        if chosen["since"]:
            events = events.filter(at__gte=_start_of(chosen["since"]))
        if chosen["until"]:
            events = events.filter(at__lt=_start_of(chosen["until"] + timedelta(days=1)))
        return events


def _values(column: str) -> list[tuple[str, str]]:
    found = (
        AuditEvent.objects.order_by(column).values_list(column, flat=True).distinct()[:MAX_CHOICES]
    )
    return [(value, capfirst(value) if column == "act" else value) for value in found]


def _start_of(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
