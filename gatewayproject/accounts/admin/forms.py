"""Admin forms that merge concurrent edits."""

from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.utils.safestring import mark_safe

from gatewayproject.accounts.forms.merge import BaseField, MergeForm
from gatewayproject.console.widgets import RevisionField


class MergedModelForm(MergeForm, forms.ModelForm):  # type: ignore[type-arg]  # in stubs only
    """A model form that merges concurrent edits, or shows both values of a field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial[self.revision_input] = self.stored_revision()
        self.merge_with_stored(is_new=self.instance._state.adding)

    def stored_revision(self) -> Any:
        """Return a value that differs between two states of the row."""
        raise NotImplementedError

    @property
    def owner(self) -> Any:
        return self.instance

    def stored_form(self) -> Self:
        return type(self)(instance=self.instance)

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound and self.review.is_needed:
            message = (
                f"{self.review.summary} Nothing is saved yet. Choose which to keep, then save."
            )
            self.add_error(None, ValidationError(message, code="conflict"))
        for name, widget in self.review.widgets.items() if self.is_bound else ():
            if name not in self.fields:  # of an inline: show the choice with the errors
                self.add_error(None, mark_safe(widget.render(name, None)))  # noqa: S308

    @property
    def changed_names(self) -> list[str]:
        return [name for name in self.changed_data if name not in (self.revision_input, "base")]


class RevisedForm(MergedModelForm):
    """For a row with a ``rev``."""

    revision = RevisionField()
    base = BaseField()

    revision_input = "revision"

    def stored_revision(self) -> int:
        return int(self.instance.rev)
