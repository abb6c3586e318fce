"""Decorators of views."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
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
