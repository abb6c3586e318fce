"""What of a form is merged: its inputs, one by one or several together."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from django import forms


@dataclass
class Unit:
    """One input, or several that belong together and are merged as one.

    ``value`` is compared; ``None`` means unchanged. ``inputs`` is what a browser posts.
    ``members`` are the names in a set of names, which ``members_input`` holds.
    """

    label: str
    value: str | None
    shown: str
    inputs: Mapping[str, list[str]]
    members: frozenset[str] | None = None
    members_input: str = ""

    def with_members(self, members: Collection[str]) -> "Unit":
        names = sorted(members)
        return replace(
            self,
            value="\n".join(names),
            shown=", ".join(names),
            inputs={**self.inputs, self.members_input: [", ".join(names)]},
            members=frozenset(names),
        )


class NameSetField(forms.Field):
    """A set of names. Two people may add and remove names at once, and both get their way."""

    def names_in(self, text: str) -> Collection[str]:
        raise NotImplementedError


def unit_of(form: forms.BaseForm, name: str) -> Unit:
    """Return one input of ``form``: as posted, or as an unbound form shows it."""
    item, prefixed = form.fields[name], form.add_prefix(name)
    widget = item.widget
    if form.is_bound:
        value = widget.value_from_datadict(form.data, form.files, prefixed)
    else:
        value = item.prepare_value(form.get_initial_for_field(item, name))
    parts = _parts(widget, value)
    label = str(item.label or name.replace("_", " ").capitalize())
    if isinstance(item, NameSetField):
        names = Unit(label, "", "", {}, members_input=prefixed)
        return names.with_members(item.names_in(", ".join(parts)))
    inputs = {prefixed: parts}
    if isinstance(widget, forms.MultiWidget):
        suffixes = widget.widgets_names  # type: ignore[attr-defined]  # missing in the stubs
        pairs = zip(suffixes, parts, strict=False)
        inputs = {prefixed + suffix: [text] for suffix, text in pairs}
    return Unit(label, "\n".join(parts), _shown(item, parts), inputs)


def _parts(widget: forms.Widget, value: Any) -> list[str]:
    """Return the values of the inputs of ``widget``, as strings."""
    if isinstance(widget, forms.MultiWidget):
        if not isinstance(value, list):
            value = widget.decompress(value)
        pairs = zip(widget.widgets, value or [None] * len(widget.widgets), strict=False)
        return ["".join(_parts(part, item)) for part, item in pairs]
    if isinstance(widget, forms.CheckboxInput):
        return ["on"] if value else []
    if isinstance(value, list | tuple):
        return sorted(str(item) for item in value)
    if not isinstance(widget, forms.Select):
        value = widget.format_value(value)
    text = "" if value is None else str(value)
    text = text.replace("\r\n", "\n").strip()
    return [text] if text else []


def _shown(item: forms.Field, parts: list[str]) -> str:
    if isinstance(item.widget, forms.CheckboxInput):
        return "On" if parts else "Off"
    if isinstance(item, forms.ChoiceField):
        choices = cast(Iterable[tuple[Any, Any]], item.choices)
        labels = {str(value): str(label) for value, label in choices}
        parts = [labels.get(part, part) for part in parts]
    if isinstance(item.widget, forms.MultiWidget):
        return " ".join(parts).strip()
    return ", ".join(parts)
