"""What the pages of every app have in common: lists in pages, forms that say what is wrong."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.functional import cached_property
from django.views.decorators.http import require_http_methods

ROWS = 50

require_form_methods = require_http_methods(["GET", "HEAD", "POST"])
require_page_methods = require_http_methods(["GET", "HEAD"])

View = Callable[..., HttpResponse]


def may(*permissions: str) -> Callable[[View], View]:
    """Answer 403 to people without all of ``permissions``."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perms(permissions):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


class _FewRowsAtOnce(Paginator):
    """Counts by looking, where everything fits on one page: a rare search scans once, not twice.

    Pages of the second half are read from the end, so that the last is as near as the first.
    """

    @cached_property
    def head(self) -> list[Any]:
        return list(self.object_list[: ROWS + 1])

    @cached_property
    def count(self) -> int:
        return len(self.head) if len(self.head) <= ROWS else self.object_list.count()

    def keys_on(self, page: Page) -> list[Any]:
        if page.number == 1:
            return self.head[:ROWS]
        before, after = page.start_index() - 1, self.count - page.end_index()
        if before <= after:
            return list(page.object_list)
        return list(self.object_list.reverse()[after : self.count - before])[::-1]


def page_of(queryset: QuerySet, details: QuerySet, number: Any) -> Page:
    """Return one page of ``queryset``, its rows fetched from ``details`` by primary key.

    Its order must leave no ties, because it is read from either end. Finding the keys first keeps
    deep pages cheap: what is skipped is never joined or loaded.
    """
    paginator = _FewRowsAtOnce(queryset.values_list("pk", flat=True), ROWS)
    page = paginator.get_page(number)
    keys = paginator.keys_on(page)
    rows = details.in_bulk(keys)
    page.object_list = [rows[key] for key in keys if key in rows]
    return page


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with, an empty one too, or ``None`` where nothing was sent."""
    return request.POST if request.method == "POST" else None


def render_form(
    request: HttpRequest, template: str, form: BaseForm, **context: Any
) -> HttpResponse:
    """Render a page with a form: 422 where something is to be corrected, 200 otherwise."""
    status = context.pop("status", 422 if form.is_bound and form.errors else 200)
    return render(request, template, {"form": form, **context}, status=status)


def with_query(url: str, **values: str) -> str:
    """Return ``url`` with the non-empty ``values`` added to its query."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url
