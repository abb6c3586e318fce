"""Decorators and helpers for views."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

require_form_methods = require_http_methods(["GET", "HEAD", "POST"])


require_page_methods = require_http_methods(["GET", "HEAD"])


View = Callable[..., HttpResponse]


def may(*permissions: str) -> Callable[[View], View]:
    """Respond 403 to users without all of ``permissions``."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perms(permissions):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def without_empty_parameters(view: View) -> View:
    """Redirect to the same URL without empty parameters, so that links are short."""

    @wraps(view)
    def redirected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if all(value for _, values in request.GET.lists() for value in values):
            return view(request, *args, **kwargs)
        query = request.GET.copy()
        for name, values in request.GET.lists():
            query.setlist(name, [value for value in values if value])
        return redirect(f"{request.path}?{query.urlencode()}".rstrip("?"))

    return redirected


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
