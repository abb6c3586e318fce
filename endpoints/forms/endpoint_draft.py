"""A half-filled endpoint form, kept in a URL while its user creates an API key for it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from apikeys.models import ApiKey
from gatewayproject.console.views import with_query

from .routes import EndpointRoutes, Row, typed_rows

DETAILS = ("name", "description", "rev", "base")
PREFILLED = ("name", "description", "model", "api_key")  # what a link may fill in
FLAGS = {"enabled": True, "sticky": False}  # check boxes, and what they are by default
_box = forms.CheckboxInput()
LONGEST = 1_000  # characters of each value


@dataclass(frozen=True)
class EndpointDraft:
    details: Mapping[str, str]
    flags: Mapping[str, bool]
    rows: list[Row]

    @classmethod
    def of_post(cls, data: QueryDict) -> Self:
        details = {name: data.get(name, "") for name in DETAILS}
        flags = {name: _box.value_from_datadict(data, MultiValueDict(), name) for name in FLAGS}
        return cls(details, flags, typed_rows(data))

    def initial(self) -> dict[str, Any]:
        """Return the initial values of the form."""
        return {**self.details, **self.flags, "routes": self.rows}

    def url(self, path: str, *, key_for: str) -> str:
        """Return ``path`` with this draft as its query, for a key of the route at ``key_for``."""
        values = {**self.details, **EndpointRoutes(initial=self.rows).inputs()}
        kept = {name: text[:LONGEST] for name, text in values.items()}
        flags = {name: "yes" if is_set else "no" for name, is_set in self.flags.items()}
        return with_query(path, **kept, **flags, key_for=str(_index(key_for)))


def initial_from(query: QueryDict) -> dict[str, Any]:
    """Return the initial values that a URL brings along: a draft, or a few values of a link.

    ``created_key`` is the API key that was created for the route at ``key_for``, or for the first.
    """
    created = None
    with suppress(ValueError):
        named = ApiKey.objects.filter(pk=UUID(query.get("created_key", "")))
        created = named.values_list("name", flat=True).first()
    if "key_for" in query:
        details = {name: query.get(name, "") for name in DETAILS}
        draft = EndpointDraft(details, FLAGS | _flags(query), typed_rows(query))
        index = _index(query.get("key_for", ""))
        if created and index < len(draft.rows):
            draft.rows[index]["api_key"] = created
        return draft.initial()
    initial: dict[str, Any] = {name: query[name] for name in PREFILLED if name in query}
    initial |= _flags(query)
    if created:
        initial["api_key"] = created
    return initial


def _flags(query: QueryDict) -> dict[str, bool]:
    return {name: query[name] != "no" for name in FLAGS if name in query}


def _index(text: str) -> int:
    """Return the index of a route, or that of the first one if ``text`` is not a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else 0
