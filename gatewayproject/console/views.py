"""What views have in common: posted data, forms on pages, messages and URLs."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render


def posted(request: HttpRequest) -> QueryDict | None:
    """Return the posted data, which may be empty, or ``None`` for a GET."""
    return request.POST if request.method == "POST" else None


def render_form(
    request: HttpRequest,
    template: str,
    form: BaseForm,
    *,
    is_conflict: bool = False,
    **context: Any,
) -> HttpResponse:
    """Render a page with a form: 409 in a conflict, 422 if the form is invalid, otherwise 200."""
    status = context.pop("status", 422 if form.is_bound and not form.is_valid() else 200)
    status = 409 if is_conflict else status
    return render(request, template, {"form": form, **context}, status=status)


def add_saved_messages(request: HttpRequest, row: Any, changed: Any, review: Any) -> None:
    """Tell the user whether ``row`` was changed, and what others changed concurrently."""
    messages.success(request, f"Saved {row}." if changed else f"Nothing was changed in {row}.")
    add_merge_message(request, review)


def add_merge_message(request: HttpRequest, review: Any) -> None:
    """Tell the user what others changed since the form was opened."""
    if review.summary:
        messages.info(request, f"{review.summary} Your changes and theirs were saved.")


def with_query(url: str, **values: str) -> str:
    """Return ``url`` with the non-empty ``values`` added to its query."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url
