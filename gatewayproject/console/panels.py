"""Panels that an app shows on pages of the apps below it.

A page defines a place, as in ``{% panels "api_key" api_key=api_key %}``. Apps register a template
and its context for that place, so the page does not need to know them.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.http import HttpRequest

Context = Callable[[HttpRequest, dict[str, Any]], Mapping[str, Any]]


class Panel(NamedTuple):
    template: str
    context: Context  # the template's context, for the request and the page's arguments


_panels: dict[str, list[Panel]] = defaultdict(list)


def register(place: str, template: str, context: Context) -> None:
    _panels[place].append(Panel(template, context))


def panels_at(place: str) -> list[Panel]:
    return _panels[place]
