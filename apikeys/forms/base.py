"""What every form does with the refusal of a model or a service."""

from django import forms
from django.core.exceptions import ValidationError


class RefusableForm(forms.Form):
    def show(self, error: ValidationError) -> None:
        """Put each message on the input that it is about, or on top where it is about none."""
        for name, messages in error.update_error_dict({}).items():
            if name in self.errors:
                continue  # it was refused for a reason that was told already
            self.add_error(name if name in self.fields else None, ValidationError(messages))
