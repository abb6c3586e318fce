"""Create and edit an API key: one form, its inputs declared by the scheme."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from apikeys.catalogue.fields import FieldSpec
from apikeys.models import ApiKey, CheckedDraft, Environment, KeyDraft
from apikeys.models.api_key import MAX_EXPIRY_NOTICE, MAX_ROTATE_EVERY
from apikeys.models.auth_scheme import REMOVE
from apikeys.models.details import DETAILS
from apikeys.sealing import Secrets
from gatewayproject.accounts.forms.merge import BaseField, MergeForm
from gatewayproject.accounts.forms.units import Unit
from gatewayproject.console.widgets import (
    ComboboxInput,
    OptionalDaysField,
    OptionalField,
    RevisionField,
)

from .credentials import (
    LastDayField,
    RemovalForm,
    anyway_field,
    compromised_field,
    secret_field,
    text_field,
)


class ApiKeyForm(MergeForm, RemovalForm):
    """Turns the input into a ``draft``, which checks it; errors appear on the fields.

    ``api_key`` is the stored one, or a new one with the scheme that was chosen.
    """

    name = forms.CharField(
        required=False,
        strip=False,
        widget=forms.TextInput(
            {
                "required": True,
                "placeholder": "my-openai-key",
                "autocomplete": "off",
            }
        ),
        help_text="Use provider and purpose, such as openai-production.",
    )
    environment = forms.ChoiceField(choices=Environment, initial=Environment.PRODUCTION)
    team = OptionalField()
    description = OptionalField(strip=False, widget=forms.Textarea({"rows": 2}))
    expires_at = LastDayField(label="Expires", help_text="Last day the provider accepts this key.")
    expiry_notice_days = OptionalDaysField(
        label="Expiry notice, days",
        widget=forms.NumberInput({"min": 0, "max": MAX_EXPIRY_NOTICE}),
        help_text="The key is marked Expiring this many days before it expires.",
    )
    rotate_every_days = OptionalDaysField(
        label="Rotation reminder, days",
        widget=forms.NumberInput({"min": 1, "max": MAX_ROTATE_EVERY, "placeholder": "Never"}),
        help_text="The key is marked Due when it is time.",
    )
    rev = RevisionField()
    base = BaseField()

    NULLABLE = {"rotate_every_days", "expires_at", "expiry_notice_days"}

    def __init__(
        self, data: Any = None, *, api_key: ApiKey, initial: dict[str, Any] | None = None
    ) -> None:
        self.api_key = api_key
        self.draft: CheckedDraft | None = None  # once it was cleaned
        self.is_edit = not api_key._state.adding
        stored = {}
        if self.is_edit:
            # The field of the expiry date has its own way to begin with the stored time.
            details = {name: getattr(api_key, name) for name in {*DETAILS, "rev"} - {"expires_at"}}
            stored = {**details, **api_key.settings}
        super().__init__(data, initial=stored | (initial or {}))
        self.specs = api_key.scheme.specs if api_key.scheme_id else []
        for spec in self.specs:
            self.fields[spec.name] = self._field(spec)
        if self.is_edit:
            self.offer_removals(api_key)
        if self.is_edit and self.secret_fields():
            self.fields["compromised"] = compromised_field()
        cast(LastDayField, self.fields["expires_at"]).begin_with(api_key.expires_at)
        self.fields["expiry_notice_days"].widget.attrs["placeholder"] = settings.EXPIRY_NOTICE_DAYS
        names = ["name", *(spec.name for spec in self.specs)]
        empty = (
            name
            for name in names
            if not (self.is_bound or self.get_initial_for_field(self.fields[name], name))
        )
        self.fields[next(empty, "name")].widget.attrs["autofocus"] = True
        self.merge_with_stored(is_new=not self.is_edit)

    @property
    def owner(self) -> ApiKey:
        return self.api_key

    def stored_form(self) -> "ApiKeyForm":
        return ApiKeyForm(api_key=self.api_key)

    def units(self) -> dict[str, Unit]:
        stored = None if self.is_bound else str(self.api_key.current_id)
        value = "typed" if self._credentials_typed() else stored
        inputs = {
            name: unit
            for name, unit in super().units().items()
            if name != "compromised" and not name.startswith(REMOVE)
        }
        return {**inputs, "credentials": Unit("the credentials", value, "", {})}

    def concerns_credentials(self) -> set[str]:
        if not self._credentials_typed():
            return set()
        return {"credentials", *(spec.name for spec in self.specs if not spec.secret)}

    def _credentials_typed(self) -> bool:
        names = [
            *("compromised",),
            *(spec.name for spec in self.specs if spec.secret),
            *(name for name in self.fields if name.startswith(REMOVE)),
        ]
        return self.is_bound and any(self.data.get(name) for name in names)

    def _field(self, spec: FieldSpec) -> forms.CharField:
        needed = spec.required and not (spec.derived_from or (spec.secret and self.is_edit))
        if spec.secret:
            is_stored = self.is_edit and spec.name in self.api_key.stored_parts()
            return secret_field(spec, is_stored=is_stored, is_needed=needed)
        return text_field(
            is_optional=not (spec.required or spec.default),
            label=spec.label,
            strip=False,
            widget=self._config_widget(spec, {"required": True} if needed else {}),
            initial=None if self.is_edit else spec.default,
            help_text=spec.help,
        )

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
        """The checkbox for leaked old credentials, if there are any."""
        return self["compromised"] if "compromised" in self.fields else None

    def anyway(self) -> Any:
        """The checkbox to accept a key that looks like another provider's, if one does."""
        return self["anyway"] if "anyway" in self.fields else None

    def removals(self) -> list[Any]:
        return [self[name] for name in self.fields if name.startswith(REMOVE)]

    def config_fields(self) -> list[Any]:
        return [self[spec.name] for spec in self.specs if not spec.secret]

    def take_from_paste(self, values: Iterable[str]) -> None:
        """Do not require secrets that a pasted text contains."""
        for field in self.secret_fields():
            if field.name in values:
                attrs = field.field.widget.attrs
                attrs["placeholder"] = "From the pasted text"
                attrs.pop("required", None)

    def is_testable(self) -> bool:
        """Whether a test is possible. Errors of other fields are dropped."""
        needed = {NON_FIELD_ERRORS, *(spec.name for spec in self.specs)}
        for name in self.errors.keys() - needed:
            del self.errors[name]
        return bool(self.specs) and not self.errors

    def clean(self) -> dict[str, Any]:
        data, key = self.cleaned_data, self.api_key
        details = {name: data.get(name, None if name in self.NULLABLE else "") for name in DETAILS}
        details["team"] = data.get("team", "").strip()
        names = [spec.name for spec in self.specs if not spec.secret and data.get(spec.name)]
        secrets = [spec.name for spec in self.specs if spec.secret and data.get(spec.name)]
        exclude = set(self.errors) - {NON_FIELD_ERRORS}
        if not key.scheme_id:
            exclude.add("scheme")
        self.draft = KeyDraft(
            key.scheme if key.scheme_id else None,
            details,
            {name: data[name] for name in names},
            Secrets({name: data[name] for name in secrets}),
            bool(self.data.get("anyway")),
            key if self.is_edit else None,
        ).check(exclude)
        self.show(ValidationError(self.draft.errors))
        if self.draft.looks_like:
            self.fields["anyway"] = anyway_field(key.provider)
        return data
