"""What the form of an endpoint with several routes posts."""

import re
from typing import Any

from django.http import HttpResponse

from endpoints.models import Endpoint

from .browsing import html_of, inputs_of

NEW = "/endpoints/new/"
EDIT = "/endpoints/search/edit/"


def row(index: int, api_key: str, model: str, kind: str = "primary", **more: Any) -> dict:
    """Return what one route posts."""
    values = {"kind": kind, "api_key": api_key, "model": model, **more}
    return {f"routes-{index}-{name}": value for name, value in values.items()}


def routes(*rows: dict[str, Any]) -> dict[str, Any]:
    """Return what all routes post."""
    data: dict[str, Any] = {"routes-TOTAL_FORMS": len(rows), "routes-INITIAL_FORMS": 0}
    for fields in rows:
        data |= fields
    return data


def form(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what the form of a new endpoint posts."""
    return {"name": "search", "enabled": "on", "description": "", **routes(*rows), **changes}


def typed(response: HttpResponse) -> dict[str, str]:
    """Return what a person's browser would post from the page."""
    html, inputs = html_of(response), inputs_of(response)
    inputs["description"] = ""
    if 'id="id_enabled" checked' in html:
        inputs["enabled"] = "on"
    if re.search('name="sticky"[^>]* checked', html):
        inputs["sticky"] = "on"
    return inputs


def routes_of(endpoint: Endpoint) -> list[tuple[str, str, str, int]]:
    rows = endpoint.routes.select_related("api_key")
    return [(row.kind, str(row.api_key), row.model, row.weight) for row in rows]
