"""Inputs that the browser alone does not have."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from apikeys.models import ApiKey

SUGGESTIONS = 50


class OptionalField(forms.CharField):
    """Text that may be left out, and says so beside its label."""

    is_optional = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)


class RevisionField(forms.IntegerField):
    """Which revision of a row the form was made from, so that saving notices a newer one."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, min_value=0, max_value=2**31 - 1)


class SecretInput(forms.PasswordInput):
    """A masked line with a reveal button. What was typed never comes back."""

    template_name = "ui/widgets/secret.html"

    def __init__(self, **attrs: str) -> None:
        super().__init__(
            {"autocomplete": "off", "spellcheck": "false", **attrs}, render_value=False
        )


class SecretTextarea(forms.Textarea):
    """The same for a document of several lines."""

    template_name = "ui/widgets/secret_textarea.html"

    def __init__(self, **attrs: str) -> None:
        super().__init__(
            {"autocomplete": "off", "spellcheck": "false", "rows": "4", "class": "masked", **attrs}
        )

    def format_value(self, value: Any) -> str:
        return ""


class ComboboxInput(forms.TextInput):
    """A line with suggestions: natively a datalist, a listbox where scripts run."""

    template_name = "ui/widgets/combobox.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "off", **(attrs or {})})
        self.options: list[dict[str, str]] = []

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["options"] = self.options
        return context


class ComboboxField(forms.CharField):
    """Text that is meant to name one of ``options``: dicts with value, detail, group and also."""

    widget = ComboboxInput

    def offer(self, options: Iterable[dict[str, str]]) -> None:
        self.widget.options = list(options)


class NamedKeyField(ComboboxField):
    """An API key, chosen by its name out of ``queryset``. Suggests by what was typed so far."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=True, max_length=80, **kwargs)
        self.widget.attrs["data-remote"] = ""  # the list is asked for as one types
        self.queryset: QuerySet[ApiKey] = ApiKey.objects.none()

    def choose_from(self, queryset: QuerySet[ApiKey], typed: str) -> None:
        self.queryset = queryset
        typed = typed[: self.max_length].replace("\0", "")
        matching = queryset.search(typed) if typed else queryset
        self.offer(
            {"value": key.name, "detail": f"{key.provider} · {key.get_environment_display()}"}
            for key in matching.select_related("scheme__provider").sorted_by("name")[:SUGGESTIONS]
        )

    def clean(self, value: Any) -> ApiKey | None:
        name = super().clean(value)
        if not name:
            return None
        found = self.queryset.named(name).select_related("scheme__provider").first()
        if found is None:
            raise ValidationError(
                f"No API key that fits here is called “{name}”. Choose one of the list."
            )
        return found
