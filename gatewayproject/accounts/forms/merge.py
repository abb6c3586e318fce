"""Forms that merge concurrent edits, or show both values of a field side by side."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.http import QueryDict
from django.utils.text import get_text_list

from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.three_way_merge import Base, Merge, digest, merge, merge_members
from gatewayproject.console.widgets import SecretInput, SecretTextarea

from .units import Unit, unit_of

CHOICE = "choice-"  # and the name of a field: "mine" or "theirs"
MINE, THEIRS = "mine", "theirs"
UNDECIDED = "Choose which to keep."
ENTER_AGAIN = "The credentials you entered were not saved. Enter them again, or leave them empty."
SECRET = (SecretInput, SecretTextarea, forms.PasswordInput)
EVENTS = 20  # searched for who changed a field


class BaseField(forms.CharField):
    """Signed digests of the values that a form was opened with."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False)


class ReviewWidget(forms.Widget):
    """Both values of a field that two users changed, to choose from. Posts the user's own value."""

    template_name = "ui/widgets/review.html"
    use_fieldset = True

    def __init__(self, name: str, who: str, theirs: Unit, mine: Unit, choice: str) -> None:
        super().__init__()
        self.review = {
            "name": name,
            "choice": CHOICE + name,
            "chosen": choice,
            "who": who,
            "theirs": theirs,
            "mine": mine,
            "kept": [(key, text) for key, texts in mine.inputs.items() for text in texts],
        }

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, value, attrs) | {"review": self.review}


@dataclass
class Review:
    """The result of merging an edit with what others saved since the form was opened."""

    merge: Merge = field(default_factory=Merge)
    widgets: dict[str, ReviewWidget] = field(default_factory=dict)
    credentials_by: str = ""  # who replaced the credentials, if new ones were entered here too
    changes: dict[str, list[str]] = field(default_factory=dict)  # labels of changed fields, by user

    @property
    def is_needed(self) -> bool:
        return bool(self.widgets or self.credentials_by)

    @property
    def summary(self) -> str:
        """Who changed which fields, as a sentence, or "" if no field was changed."""
        parts = [
            f"{who} changed {get_text_list(labels, 'and')}" for who, labels in self.changes.items()
        ]
        return f"{'; '.join(parts)} while you were editing." if parts else ""


class MergeForm(forms.BaseForm):
    """A form that merges concurrent edits. ``__init__`` of a subclass ends with
    ``merge_with_stored``."""

    revision_input = "rev"
    review: Review

    @property
    def owner(self) -> models.Model:
        """The row that is edited."""
        raise NotImplementedError

    def stored_form(self) -> "MergeForm":
        """Return an unbound form with the stored values."""
        raise NotImplementedError

    def units(self) -> dict[str, Unit]:
        """Return what is merged: by default, each input that is neither hidden nor secret."""
        return {
            name: unit_of(self, name)
            for name, item in self.fields.items()
            if not item.widget.is_hidden and not isinstance(item.widget, SECRET)
        }

    def comparable(self, theirs: Mapping[str, Unit], base: Base) -> set[str]:
        """Return the names of the units to compare."""
        return {*theirs, *self.units()}

    def place_of(self, unit: str) -> tuple[forms.BaseForm, str]:
        """Return the form that shows ``unit``, and the name of its field there."""
        return self, unit

    def concerns_credentials(self) -> set[str]:
        """Return the units that must be unchanged for entered credentials to be saved.

        Otherwise they could replace newer credentials, or be sent to a place that the user has not
        seen.
        """
        return set()

    def take(self, data: QueryDict) -> None:
        """Replace the posted data with ``data``."""
        self.data = data

    def merge_with_stored(self, *, is_new: bool) -> None:
        self.review = Review()
        if is_new:
            return
        key = f"{self.owner._meta.label_lower}:{self.owner.pk}"
        if not self.is_bound:
            if "base" not in self.initial:
                self.initial["base"] = _base_of(self.units()).signed(key)
            return
        base = Base.read(self.data.get(self.add_prefix("base"), ""), key)
        stored = self.stored_form()
        revision = self.add_prefix(self.revision_input)
        is_current = self.data.get(revision) == str(stored.initial[self.revision_input])
        if is_current and hasattr(self.data, "review"):  # another form has merged this request
            self.review = self.data.review
            self._show_choices()
            return
        if is_current and not (base and base.undecided):
            return
        base, theirs, typed = base or Base({}), stored.units(), self.units()
        both = _names_of_both(base, theirs, typed)
        mine = typed | both
        self._merge(base, theirs, mine, both)
        data: Any = cast(QueryDict, self.data).copy()
        for name in both:
            _replace(data, typed[name], both[name])
        for name in self.review.merge.theirs:
            _replace(data, mine.get(name), theirs.get(name))
        new_base = replace(_base_of(theirs), undecided=tuple(self.review.widgets))
        data[self.add_prefix("base")] = new_base.signed(key)
        data[revision] = str(stored.initial[self.revision_input])
        data.review = self.review
        self.take(data)
        self._show_choices()

    def _show_choices(self) -> None:
        for name, widget in self.review.widgets.items():
            form, field = self.place_of(name)
            if field in form.fields:
                form.fields[field].widget = widget

    def _merge(
        self,
        base: Base,
        theirs: Mapping[str, Unit],
        mine: Mapping[str, Unit],
        both: Collection[str],
    ) -> None:
        """Compare field by field. In the fields ``both``, ``mine`` has the changes of all."""
        compared = self.comparable(theirs, base)
        entered = {name: digest(u.value) for name, u in mine.items() if u.value is not None}
        stored = {name: digest(u.value or "") for name, u in theirs.items()}
        chosen = {n: self.data.get(CHOICE + self.add_prefix(n), "") for n in base.undecided}
        before = {**base.digests, **{name: stored[name] for name in both}}
        for name in compared:
            unchanged = name not in entered and name in mine
            if unchanged or chosen.get(name) == THEIRS:
                entered[name] = before.setdefault(name, "")
        result = merge(
            {name: was for name, was in before.items() if name in compared},
            {name: now for name, now in stored.items() if name in compared},
            {name: typed for name, typed in entered.items() if name in compared},
        )
        still_open = [n for n, choice in chosen.items() if n in result.mine and choice != MINE]
        conflicts = [*result.conflicts, *still_open]
        kept = [name for name in result.mine if name not in still_open]
        given_up = [name for name, choice in chosen.items() if choice == THEIRS]
        taken = [n for n in dict.fromkeys([*result.theirs, *given_up]) if n in compared]
        moved = [n for n in stored if n in compared and base.digests.get(n) != stored[n]]
        people = _people(self.owner, moved)
        self.review.merge = Merge(taken, kept, conflicts)
        for name in moved:
            if name in result.theirs or name in conflicts or name in both:
                self.review.changes.setdefault(people[name], []).append(theirs[name].label)
        for name in conflicts:
            if name == "credentials":
                continue
            absent = Unit(name, "", "", {})
            self.review.widgets[name] = ReviewWidget(
                self.add_prefix(name),
                people.get(name) or _people(self.owner, [name])[name],
                theirs.get(name, absent),
                mine.get(name, absent),
                chosen.get(name, ""),
            )
        if changed_since := [name for name in moved if name in self.concerns_credentials()]:
            self.review.credentials_by = people[changed_since[0]]

    def full_clean(self) -> None:
        super().full_clean()
        if not self.is_bound:
            return
        for name in self.review.widgets:
            form, field = self.place_of(name)
            form.errors.pop(field, None)
            form.add_error(field if field in form.fields else None, ValidationError(UNDECIDED))
        if self.review.credentials_by:
            self.add_error(None, ValidationError(ENTER_AGAIN))


def _replace(data: QueryDict, mine: Unit | None, theirs: Unit | None) -> None:
    for name in mine.inputs if mine else ():
        data.pop(name, None)
    for name, texts in theirs.inputs.items() if theirs else ():
        if texts:
            data.setlist(name, texts)
        else:
            data.pop(name, None)


def _base_of(units: Mapping[str, Unit]) -> Base:
    members = {
        name: [digest(member) for member in unit.members]
        for name, unit in units.items()
        if unit.members is not None
    }
    digests = {name: digest(unit.value or "") for name, unit in units.items()}
    return Base(digests, members=members)


def _names_of_both(
    base: Base, theirs: Mapping[str, Unit], mine: Mapping[str, Unit]
) -> dict[str, Unit]:
    """Return the sets of names that both changed, with what each added and removed."""
    merged = {}
    for name, digests in base.members.items():
        stored, typed = theirs.get(name), mine.get(name)
        if stored is None or typed is None or name in base.undecided:
            continue
        if stored.members is None or typed.members is None or stored.members == typed.members:
            continue
        by_digest = {digest(member): member for member in stored.members | typed.members}
        was = {by_digest.get(text, text) for text in digests}
        if was not in (stored.members, typed.members):
            merged[name] = typed.with_members(merge_members(was, stored.members, typed.members))
    return merged


def _people(owner: models.Model, names: list[str]) -> dict[str, str]:
    """Return who changed each of ``names`` last, according to the audit events."""
    if not names:
        return {}
    events = list(AuditEvent.objects.about(owner)[:EVENTS])
    latest = events[0].actor if events else "Someone"
    return {
        name: next((event.actor for event in events if name in event.fields), latest)
        for name in names
    }
