"""Create and edit an API key: one form, its inputs declared by the scheme."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apikeys.catalogue.fields import FieldSpec
from apikeys.models import ApiKey, Environment
from apikeys.models.api_key import MAX_ROTATE_EVERY
from apikeys.models.auth_scheme import REMOVE
from apikeys.sealing import Secrets

from .base import RefusableForm
from .credentials import (
    LastDayField,
    compromised_field,
    removal_field,
    removed_in,
    secret_field,
)
from .widgets import ComboboxInput, OptionalField, RevisionField

DETAILS = ("name", "environment", "team", "description")


class ApiKeyForm(RefusableForm):
    """Fills ``api_key`` from what was typed. The model checks it; errors land on the fields."""

    name = forms.CharField(
        required=False,
        strip=False,
        widget=forms.TextInput(
            {
                "required": True,
                "maxlength": 80,
                "placeholder": "my-openai-key",
                "autocomplete": "off",
            }
        ),
        help_text="How people will recognise it.",
    )
    environment = forms.ChoiceField(choices=Environment, initial=Environment.PRODUCTION)
    team = OptionalField(widget=forms.TextInput({"maxlength": 80}))
    description = OptionalField(strip=False, widget=forms.Textarea({"rows": 2, "maxlength": 1000}))
    expires_at = LastDayField(
        label="Expires", help_text="The last day on which the provider takes these credentials."
    )
    rotate_every_days = forms.IntegerField(
        label="Rotate every … days",
        required=False,
        widget=forms.NumberInput({"min": 1, "max": MAX_ROTATE_EVERY, "placeholder": "Never"}),
        help_text="The list says when new credentials are due.",
    )
    rotate_every_days.is_optional = True
    rev = RevisionField()

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, initial: dict[str, Any] | None = None
    ) -> None:
        self.api_key = api_key
        self.is_edit = not api_key._state.adding
        super().__init__(data, initial=self._initial() | (initial or {}))
        self.specs = api_key.scheme.specs if api_key.scheme_id else []
        for spec in self.specs:
            self.fields[spec.name] = self._field(spec)
            if spec.secret and self.is_edit and not spec.required and self._is_stored(spec):
                self.fields[REMOVE + spec.name] = removal_field(spec)
        if self.is_edit and self.secret_fields():
            self.fields["compromised"] = compromised_field()
        self.fields["expires_at"].begin_with(api_key.expires_at)
        self._focus_first_empty()

    def _focus_first_empty(self) -> None:
        names = ["name", *(spec.name for spec in self.specs)]
        empty = (
            name
            for name in names
            if not (self.is_bound or self.get_initial_for_field(self.fields[name], name))
        )
        self.fields[next(empty, "name")].widget.attrs["autofocus"] = True

    def _initial(self) -> dict[str, Any]:
        key = self.api_key
        details = {name: getattr(key, name) for name in (*DETAILS, "rotate_every_days", "rev")}
        return {**details, **key.config} if self.is_edit else {}

    def _is_stored(self, spec: FieldSpec) -> bool:
        return self.is_edit and spec.name in self.api_key.stored_parts()

    def _field(self, spec: FieldSpec) -> forms.CharField:
        needed = spec.required and not (spec.derived_from or (spec.secret and self.is_edit))
        if spec.secret:
            return secret_field(spec, is_stored=self._is_stored(spec), is_needed=needed)
        field = forms.CharField(
            label=spec.label,
            required=False,
            strip=False,
            widget=self._config_widget(spec, {"required": True} if needed else {}),
            initial=None if self.is_edit else spec.default,
            help_text=spec.help,
        )
        field.is_optional = not (spec.required or spec.default)
        return field

    def _config_widget(self, spec: FieldSpec, attrs: dict[str, Any]) -> forms.TextInput:
        attrs = {
            "placeholder": spec.placeholder,
            "spellcheck": "false",
            "autocomplete": "off",
            **attrs,
        }
        if spec.derived_from:
            attrs["data-derived-from"] = spec.derived_from
        others = self.api_key.provider.other_hosts() if spec.format == "https_url" else []
        if not others:
            return forms.TextInput(attrs)
        widget = ComboboxInput({**attrs, "data-free": ""})
        widget.options = [
            {"value": spec.default, "detail": "default"},
            *({"value": other["url"], "detail": other.get("note", "")} for other in others),
        ]
        return widget

    def secret_fields(self) -> list[Any]:
        return [self[spec.name] for spec in self.specs if spec.secret]

    def compromised(self) -> Any:
        """The box for old credentials that somebody else may know, where there are any."""
        return self["compromised"] if "compromised" in self.fields else None

    def removals(self) -> list[Any]:
        return [self[name] for name in self.fields if name.startswith(REMOVE)]

    def config_fields(self) -> list[Any]:
        return [self[spec.name] for spec in self.specs if not spec.secret]

    @property
    def removed(self) -> list[str]:
        """Names of the optional secrets to drop."""
        return removed_in(self.cleaned_data)

    def is_testable(self) -> bool:
        """Whether all that a test needs is there. What is wrong with the rest is not said yet."""
        needed = {NON_FIELD_ERRORS, *(spec.name for spec in self.specs)}
        for name in self.errors.keys() - needed:
            del self.errors[name]
        return bool(self.specs) and not self.errors

    def clean(self) -> dict[str, Any]:
        data, key = self.cleaned_data, self.api_key
        for name in DETAILS:
            setattr(key, name, data.get(name, ""))
        key.expires_at = data.get("expires_at")
        key.rotate_every_days = data.get("rotate_every_days")
        key.team = key.team.strip()
        key.secrets = Secrets(
            {s.name: data[s.name] for s in self.specs if s.secret and data.get(s.name)}
        )
        key.config = {s.name: data[s.name] for s in self.specs if not s.secret and data.get(s.name)}
        unknown = set() if key.scheme_id else {"scheme"}
        try:
            key.full_clean(exclude=(set(self.errors) - {NON_FIELD_ERRORS}) | unknown)
        except ValidationError as error:
            self.show(error)
        return data
