"""Labels of the fields in audit events, including fields that no longer exist."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import capfirst

KINDS = {
    "apikey": "API key",
    "endpoint": "endpoint",
    "gatewaytoken": "gateway token",
    "provider": "provider",
    "authscheme": "authentication method",
    "masterkey": "master key",
}
_labels: dict[str, Callable[[str], str]] = {}
ACRONYMS = {"api": "API", "url": "URL", "aws": "AWS", "id": "ID", "gcp": "GCP", "json": "JSON"}


def label_of(kind: str, name: str) -> str:
    """Return the label of a field from its model, the catalog or, failing both, its name."""
    if label := _columns(kind).get(name) or (kind in _labels and _labels[kind](name)):
        return label
    words = name.removesuffix("_at").split("_")
    return capfirst(" ".join(ACRONYMS.get(word, word) for word in words))


def register(kind: str, label: Callable[[str], str]) -> None:
    """Use ``label`` for the fields of ``kind`` that are not columns. It returns "" if unknown."""
    _labels[kind] = label


@cache
def _columns(kind: str) -> dict[str, str]:
    model = model_of(kind)
    return {
        item.name: capfirst(str(item.verbose_name))
        for item in (model._meta.get_fields() if model else ())
        if isinstance(item, models.Field)
    }


def model_of(kind: str) -> type[models.Model] | None:
    """Return the model that events of this kind are about."""
    found = (model for model in apps.get_models() if model._meta.model_name == kind)
    return next(found, None) if kind in KINDS else None


def subjects_of(events: Iterable[Any]) -> dict[tuple[str, str], models.Model]:
    """Return the subjects that still exist and have a page, by kind and ID. One query per kind."""
    wanted: dict[str, set[str]] = {}
    for event in events:
        wanted.setdefault(event.subject_type, set()).add(event.subject_id)
    found: dict[tuple[str, str], models.Model] = {}
    for kind, ids in wanted.items():
        model = model_of(kind)
        if model is None or not hasattr(model, "get_absolute_url"):
            continue
        rows = model._default_manager.in_bulk(list(_keys(model, ids)))
        found |= {(kind, str(pk)): row for pk, row in rows.items()}
    return found


def _keys(model: type[models.Model], ids: Iterable[str]) -> Iterable[Any]:
    for text in ids:
        try:
            yield model._meta.pk.to_python(text)
        except ValidationError:
            continue
