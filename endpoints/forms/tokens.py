"""The forms of gateway tokens."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from apikeys.forms import LastDayField, RefusableForm
from endpoints import services
from endpoints.models import GatewayToken

from .listing import ListForm
from .named_endpoints import NamedEndpointsField

LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year"}
KEEP, NEVER, ON_DATE = "keep", "never", "date"
SORTS = {
    "name": ["name_key"],
    "-name": ["-name_key"],
    "created": ["created_at", "id"],
    "-created": ["-created_at", "-id"],
    "expires": [F("expires_at").asc(nulls_last=True), "id"],
    "-expires": [F("expires_at").desc(nulls_first=True), "-id"],
}


class TokenListForm(ListForm):
    states = GatewayToken.State.choices

    def tokens(self) -> QuerySet[GatewayToken]:
        if self.errors:
            return GatewayToken.objects.none()
        chosen = self.cleaned_data
        tokens = GatewayToken.objects.of_applications().search(chosen["q"])
        order = SORTS.get(self.sort_key, SORTS["name"])
        return tokens.in_state(chosen["state"]).order_by(*order)


class TokenForm(RefusableForm):
    """A token and what it may use. The service checks it; errors land on the inputs."""

    name = forms.CharField(
        required=False,
        strip=False,
        widget=forms.TextInput(
            {
                "required": True,
                "maxlength": 80,
                "placeholder": "search-service-production",
                "autocomplete": "off",
                "autofocus": True,
            }
        ),
        help_text="Of the application that will present it: one token for each.",
    )
    all_endpoints = forms.BooleanField(
        label="Every endpoint", required=False, help_text="Also those that are created later."
    )
    endpoints = NamedEndpointsField()
    expires_at = forms.ChoiceField(label="Expires", required=False, initial="90")
    expires_on = LastDayField(label="Last day")
    expires_on.is_optional = False  # where it is asked for, it is needed
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    def __init__(self, data: Any = None, *, token: GatewayToken, typed: str = "") -> None:
        """``typed`` is what the URL already knows of the endpoints."""
        self.token, self.stored_expiry = token, token.expires_at
        self.is_edit = not token._state.adding
        super().__init__(data)
        endpoints = self.fields["endpoints"]
        endpoints.choose_from_all((data or {}).get("endpoints", "") or typed)
        if self.is_edit:
            self._begin_with_what_is_stored()
        elif typed:
            self.initial["endpoints"] = typed.split(",") if endpoints.has_boxes else typed
        today = timezone.localdate()
        self.fields["expires_on"].widget.attrs |= {
            "min": str(today),
            "max": str(today + services.LONGEST_LIFETIME),
        }
        self.fields[
            "expires_on"
        ].help_text = f"It works until the end of that day, {timezone.localtime():%Z}."
        self.fields["expires_at"].choices = self._expiries()

    def _begin_with_what_is_stored(self) -> None:
        names = self.token.endpoints.order_by("name").values_list("name", flat=True)
        self.initial = {
            "name": self.token.name,
            "all_endpoints": self.token.all_endpoints,
            "endpoints": self.fields["endpoints"].shown(names),
            "expires_at": KEEP,
            "seen": services.digest_of_details(self.token),
        }

    def _expiries(self) -> list[tuple[str, str]]:
        fresh = [
            (days, f"In {label}" if self.is_edit else label) for days, label in LIFETIMES.items()
        ]
        fixed = [(NEVER, "Never"), (ON_DATE, "On a date")]
        return [*([(KEEP, self._as_it_is())] if self.is_edit else []), *fresh, *fixed]

    def _as_it_is(self) -> str:
        if self.stored_expiry is None:
            return "As it is: never"
        return f"As it is: {date_format(timezone.localtime(self.stored_expiry), 'M j, Y H:i')}"

    def clean(self) -> dict[str, Any]:
        data, token = self.cleaned_data, self.token
        self._forget_what_does_not_count()
        token.name = data.get("name", "")
        token.all_endpoints = data.get("all_endpoints", False)
        token.expires_at = self._expiry()
        try:
            services.check_token(token, data.get("endpoints") or ())
        except ValidationError as error:
            self.show(error)
        return data

    def _forget_what_does_not_count(self) -> None:
        """What a choice hides is no reason to refuse the form."""
        data = self.cleaned_data
        for name, counts in (
            ("endpoints", not data.get("all_endpoints")),
            ("expires_on", data.get("expires_at") == ON_DATE),
        ):
            if not counts:
                self.errors.pop(name, None)
                data[name] = None

    def _expiry(self) -> datetime | None:
        choice = self.cleaned_data.get("expires_at") or (KEEP if self.is_edit else "90")
        if choice in LIFETIMES:
            return timezone.now() + timedelta(days=int(choice))
        if choice == ON_DATE:
            return self._last_day()
        return self.stored_expiry if choice == KEEP else None

    def _last_day(self) -> datetime | None:
        end = self.cleaned_data.get("expires_on")
        if end is None and "expires_on" not in self.errors:
            self.add_error("expires_on", "Choose a day.")
        return end


class ConfirmForm(RefusableForm):
    """Nothing to type, but something that only our own page posts."""

    confirmed = forms.BooleanField(widget=forms.HiddenInput, initial=True)
