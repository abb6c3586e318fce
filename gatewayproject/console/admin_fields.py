"""Form fields and widgets for the admin that accept any input without an internal error."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest


class Autocomplete(AutocompleteSelect):
    """Django's own widget fails if the posted value cannot be a primary key."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> list[Any]:
        return super().optgroups(name, [item for item in value if self._may_be_key(item)], attr)

    def _may_be_key(self, value: Any) -> bool:
        try:
            self.field.target_field.clean(value, None)
        except ValidationError:
            return False
        return True


class ForeignKeysByAutocomplete(BaseModelAdmin):  # type: ignore[type-arg]  # only in the stubs
    """A model admin or an inline with ``autocomplete_fields``."""

    def formfield_for_foreignkey(
        self, db_field: "models.ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in self.autocomplete_fields:
            kwargs["widget"] = Autocomplete(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class StrictJSONField(forms.JSONField):
    """JSON that both databases can store."""

    widget = forms.Textarea(attrs={"class": "vLargeTextField", "rows": 12, "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        try:
            document = super().to_python(value)
            json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise ValidationError("Enter valid JSON.") from None
        if isinstance(value, str) and "\\u0000" in value:
            raise ValidationError("Remove the NUL character.")
        return document

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show the text as entered."""
        return data if data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return json.dumps(value, indent=2, ensure_ascii=False)
        return value


class NamesField(forms.CharField):
    """A list of names, separated by commas."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [name.strip() for name in super().clean(value).split(",") if name.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)
