"""Forms that show the validation errors of models and services."""

from django import forms
from django.core.exceptions import ValidationError


class RefusableForm(forms.Form):
    def show(self, error: ValidationError) -> None:
        """Add each message to its input, or to the form if it has none."""
        for name, messages in error.update_error_dict({}).items():
            if name in self.errors:
                continue  # keep the first error of the field
            self.add_error(name if name in self.fields else None, ValidationError(messages))
