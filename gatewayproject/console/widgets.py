"""Form fields and widgets."""

from collections.abc import Iterable
from typing import Any

from django import forms


class OptionalField(forms.CharField):
    """Text that is optional, with a note next to its label."""

    is_optional = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)


class OptionalDaysField(forms.IntegerField):
    """A number of days that may be left out."""

    is_optional = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)


class RevisionField(forms.IntegerField):
    """The revision of the row that the form shows, so that saving notices a newer one."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, min_value=0, max_value=2**31 - 1)


class SecretInput(forms.PasswordInput):
    """A masked input with a reveal button. Pages never return its value."""

    template_name = "ui/widgets/secret.html"

    def __init__(self, **attrs: str) -> None:
        super().__init__(
            {"autocomplete": "off", "spellcheck": "false", "data-secret": "", **attrs},
            render_value=False,
        )


class SecretTextarea(forms.Textarea):
    """A masked input of several lines."""

    template_name = "ui/widgets/secret_textarea.html"

    def __init__(self, **attrs: str) -> None:
        super().__init__(
            {
                "autocomplete": "off",
                "spellcheck": "false",
                "data-secret": "",
                "rows": "4",
                "class": "masked",
                **attrs,
            }
        )

    def format_value(self, value: Any) -> str:
        return ""


class ComboboxInput(forms.TextInput):
    """An input with suggestions: a datalist, or a listbox if scripts run."""

    template_name = "ui/widgets/combobox.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "off", **(attrs or {})})
        self.options: list[dict[str, str]] = []

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["options"] = self.options
        return context


class ComboboxField(forms.CharField):
    """Text that should match one of ``options``: dicts with value, detail, group and also."""

    widget = ComboboxInput

    def offer(self, options: Iterable[dict[str, str]]) -> None:
        self.widget.options = list(options)
