"""The admin's forms of an API key: its details, and its credentials on a page of their own."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apikeys.catalogue.fields import FieldSpec
from apikeys.forms import RevisionField, SecretsForm
from apikeys.models import ApiKey

from .base import changed_since


class RevisedForm(forms.ModelForm):
    """A form that notices when somebody else saved first, and keeps what was typed."""

    revision = RevisionField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["revision"] = self.instance.rev

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        stored = type(self.instance).objects.filter(pk=self.instance.pk).first()
        if stored is not None and data.get("revision") != stored.rev:
            self.data = self.data.copy()
            self.data[self.add_prefix("revision")] = stored.rev
            self.add_error(None, ValidationError(changed_since(stored), code="conflict"))
        return data

    @property
    def changed_names(self) -> list[str]:
        return [name for name in self.changed_data if name != "revision"]


class ApiKeyDetailsForm(RevisedForm):
    class Meta:
        model = ApiKey
        fields = (
            *("name", "environment", "team", "description"),
            *("rotate_every_days", "expires_at"),
        )

    def _post_clean(self) -> None:
        """Check the key as a whole, as the service will: it may not fit its scheme any more."""
        super()._post_clean()
        if self.errors:
            return
        try:
            self.instance.full_clean()
        except ValidationError as error:
            for name, messages in error.update_error_dict({}).items():
                self.add_error(name if name in self.fields else None, messages)


class CredentialsForm(SecretsForm):
    """New credentials for ``api_key``. Empty means keep; nothing typed ever comes back."""

    def __init__(self, data: Any = None, *, api_key: ApiKey) -> None:
        super().__init__(data, api_key=api_key)
        stored = api_key.stored_parts()
        for spec in api_key.scheme.secret_specs:
            self.fields[spec.name] = _secret_field(spec, is_stored=spec.name in stored)
        self.offer_removals()

    def begin_again(self, stored: ApiKey) -> None:
        """Somebody else saved first: the next attempt starts from what is stored now."""
        self.data = self.data.copy()
        self.data["rev"] = stored.rev
        self.add_error(None, f"{changed_since(stored)} Credentials have to be entered again.")


class _BlankTextarea(forms.Textarea):
    def format_value(self, value: Any) -> str:
        return ""


def _secret_field(spec: FieldSpec, *, is_stored: bool) -> forms.CharField:
    attrs = {"autocomplete": "off", "spellcheck": "false", "class": "vTextField"}
    attrs["placeholder"] = "Stored. Leave empty to keep it." if is_stored else spec.placeholder
    document = _BlankTextarea({**attrs, "class": "vLargeTextField", "rows": 8})
    return forms.CharField(
        label=spec.label,
        required=False,
        strip=False,
        help_text=spec.help,
        widget=document if spec.is_document else forms.PasswordInput(attrs, render_value=False),
    )
