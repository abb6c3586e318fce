"""The forms of gateway tokens."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F, OrderBy, QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from apikeys.forms import LastDayField
from endpoints import services
from endpoints.models import GatewayToken
from gatewayproject.accounts.forms.merge import BaseField, MergeForm
from gatewayproject.accounts.forms.units import Unit, unit_of
from gatewayproject.console.filters import ListForm
from gatewayproject.console.forms import RefusableForm

from .named_endpoints import NamedEndpointsField

LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year"}
KEEP, NEVER, ON_DATE = "keep", "never", "date"
AS_IT_IS = "Keep: "
SORTS: dict[str, list[str | OrderBy]] = {
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


class TokenForm(MergeForm, RefusableForm):
    """A token and what it may use. The service checks it; errors land on the inputs."""

    name = forms.CharField(
        required=False,
        strip=False,
        widget=forms.TextInput(
            {
                "required": True,
                "placeholder": "search-service-production",
                "autocomplete": "off",
                "autofocus": True,
            }
        ),
        help_text="The app that will use it. Create one per app.",
    )
    all_endpoints = forms.BooleanField(
        label="All endpoints", required=False, help_text="Including future ones."
    )
    endpoints = NamedEndpointsField()
    expires_at = forms.ChoiceField(label="Expires", required=False, initial="90")
    expires_on = LastDayField(label="Last day", is_optional=False)  # if asked for, it is needed
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)
    base = BaseField()

    revision_input = "seen"

    def __init__(self, data: Any = None, *, token: GatewayToken, typed: str = "") -> None:
        """``typed`` is what the URL already knows of the endpoints."""
        self.token, self.stored_expiry = token, token.expires_at
        self.is_edit = not token._state.adding
        super().__init__(data)
        endpoints = cast(NamedEndpointsField, self.fields["endpoints"])
        endpoints.choose_from_all((data or {}).get("endpoints", "") or typed)
        if self.is_edit:
            names = token.endpoints.order_by("name").values_list("name", flat=True)
            self.initial = {
                "name": token.name,
                "all_endpoints": token.all_endpoints,
                "endpoints": endpoints.shown(names),
                "expires_at": KEEP,
                "seen": services.digest_of_details(token),
            }
        elif typed:
            self.initial["endpoints"] = typed.split(",") if endpoints.has_boxes else typed
        today = timezone.localdate()
        self.fields["expires_on"].widget.attrs |= {
            "min": str(today),
            "max": str(today + services.LONGEST_LIFETIME),
        }
        self.fields[
            "expires_on"
        ].help_text = f"The token works until the end of that day, {timezone.localtime():%Z}."
        expires_at = self.fields["expires_at"]
        if isinstance(expires_at, forms.ChoiceField):
            expires_at.choices = self._expiries()
        self.merge_with_stored(is_new=not self.is_edit)

    @property
    def owner(self) -> GatewayToken:
        return self.token

    def stored_form(self) -> "TokenForm":
        return TokenForm(token=self.token)

    def units(self) -> dict[str, Unit]:
        """Return what is merged: the name, which endpoints, and the expiry."""
        every, some = unit_of(self, "all_endpoints"), unit_of(self, "endpoints")
        endpoints = Unit(
            "Endpoints",
            "*" if every.value else some.value,
            "All endpoints" if every.value else some.shown,
            {**every.inputs, **some.inputs},
            None if every.value else some.members,
            some.members_input,
        )
        choice, day = unit_of(self, "expires_at"), unit_of(self, "expires_on")
        if self.is_bound:
            value = None if choice.value in ("", KEEP) else f"{choice.value} {day.value}"
            shown = day.shown if choice.value == ON_DATE else choice.shown
            expiry = Unit("Expires", value, shown, {**choice.inputs, **day.inputs})
        else:  # what is stored
            shown = self._as_it_is().removeprefix(AS_IT_IS).capitalize()
            expiry = Unit("Expires", str(self.stored_expiry), shown, {"expires_at": [KEEP]})
        return {"name": unit_of(self, "name"), "endpoints": endpoints, "expires_at": expiry}

    def _expiries(self) -> list[tuple[str, str]]:
        fresh = [
            (days, f"In {label}" if self.is_edit else label) for days, label in LIFETIMES.items()
        ]
        fixed = [(NEVER, "Never"), (ON_DATE, "On a date")]
        return [*([(KEEP, self._as_it_is())] if self.is_edit else []), *fresh, *fixed]

    def _as_it_is(self) -> str:
        if self.stored_expiry is None:
            return f"{AS_IT_IS}never"
        return f"{AS_IT_IS}{date_format(timezone.localtime(self.stored_expiry), 'M j, Y H:i')}"

    def clean(self) -> dict[str, Any]:
        data, token = self.cleaned_data, self.token
        for name, counts in (
            ("endpoints", not data.get("all_endpoints")),
            ("expires_on", data.get("expires_at") == ON_DATE),
        ):
            if not counts:  # a hidden field cannot make the form invalid
                self.errors.pop(name, None)
                data[name] = None
        token.name = data.get("name", "")
        token.all_endpoints = data.get("all_endpoints", False)
        token.expires_at = self._expiry()
        try:
            services.check_token(token, data.get("endpoints") or ())
        except ValidationError as error:
            self.show(error)
        return data

    def _expiry(self) -> datetime | None:
        choice = self.cleaned_data.get("expires_at") or (KEEP if self.is_edit else "90")
        if choice in LIFETIMES:
            return timezone.now() + timedelta(days=int(choice))
        if choice == ON_DATE:
            end: datetime | None = self.cleaned_data.get("expires_on")
            if end is None and "expires_on" not in self.errors:
                self.add_error("expires_on", "Choose a day.")
            return end
        return self.stored_expiry if choice == KEEP else None


class ConfirmForm(RefusableForm):
    """Nothing to type, but something that only our own page posts."""

    confirmed = forms.BooleanField(widget=forms.HiddenInput, initial=True)
