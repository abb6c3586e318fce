"""The admin's forms of an API key: its details, and its credentials on a page of their own."""

from collections.abc import Sequence
from typing import Any

from django import forms

from apikeys.forms import SecretsForm
from apikeys.models import ApiKey, CheckedDraft, KeyDraft
from apikeys.models.details import DETAILS
from gatewayproject.accounts.admin.audited import changed_since
from gatewayproject.accounts.admin.forms import RevisedForm


class ApiKeyDetailsForm(RevisedForm):
    class Meta:
        model = ApiKey
        fields = DETAILS

    draft: CheckedDraft
    saved_names: Sequence[str] = ()  # of what was saved, for the history

    def _post_clean(self) -> None:
        """Validate the whole key, like the service does: it may no longer match its scheme."""
        super()._post_clean()  # type: ignore[misc]  # Django's own, but not in the stubs
        if self.errors:
            return
        stored = ApiKey.objects.with_details().get(pk=self.instance.pk)
        details = {name: getattr(self.instance, name) for name in DETAILS}
        self.draft = KeyDraft(stored.scheme, details, stored.config, stored=stored).check()
        for name, messages in self.draft.errors.items():
            self.add_error(name if name in self.fields else None, messages)


class CredentialsForm(SecretsForm):
    """New credentials for ``api_key``. Empty means keep; nothing typed ever comes back."""

    def __init__(self, data: Any = None, *, api_key: ApiKey) -> None:
        super().__init__(data, api_key=api_key)
        stored = api_key.stored_parts()
        for spec in api_key.scheme.secret_specs:
            attrs = {"autocomplete": "off", "spellcheck": "false", "class": "vTextField"}
            keeps = "Stored. Leave empty to keep it."
            attrs["placeholder"] = keeps if spec.name in stored else spec.placeholder
            document = _BlankTextarea({**attrs, "class": "vLargeTextField", "rows": 8})
            line = forms.PasswordInput(attrs, render_value=False)
            self.fields[spec.name] = forms.CharField(
                label=spec.label,
                required=False,
                strip=False,
                help_text=spec.help,
                widget=document if spec.is_document else line,
            )
        self.offer_removals(api_key)

    def begin_again(self, stored: ApiKey) -> None:
        """Start again from the stored row after another user saved it."""
        self.data = {**self.data, "rev": stored.rev}
        self.add_error(None, f"{changed_since(stored)} Enter the credentials again.")


class _BlankTextarea(forms.Textarea):
    def format_value(self, value: Any) -> str:
        return ""
