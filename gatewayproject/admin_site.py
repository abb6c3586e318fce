"""The admin site, for operators."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlencode

from django.contrib import admin, messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

View = TypeVar("View", bound=Callable[..., Any])

REGEX = ("__regex", "__iregex")


class GatewayAdminSite(admin.AdminSite):
    site_header = "Gatehouse administration"
    site_title = "Gatehouse"
    index_title = "Operators"

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Redirect to the only login page, which is throttled."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            messages.error(request, "Only staff accounts can use the administration.")
            return redirect("home")
        target = request.GET.get(REDIRECT_FIELD_NAME, "")
        if not url_has_allowed_host_and_scheme(
            target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            target = reverse("admin:index")
        query = urlencode({REDIRECT_FIELD_NAME: target})
        return redirect(f"{reverse('login')}?{query}")

    def password_change(  # type: ignore[override]  # a redirect instead of a page
        self, request: HttpRequest, extra_context: object = None
    ) -> HttpResponse:
        """Redirect to the only page for this, which counts wrong old passwords."""
        return redirect("password_change")

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Refuse NUL characters in a URL, which PostgreSQL does not accept, and filters by regular
        expression, which SQLite runs in this process without a time limit."""

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if "\0" in unquote(request.META.get("QUERY_STRING", "")):
                raise BadRequest("A URL must not contain a NUL character.")
            if any(name.endswith(REGEX) for name in request.GET):
                raise BadRequest("A list cannot be filtered by a regular expression.")
            return view(request, *args, **kwargs)

        return super().admin_view(cast(View, guarded), cacheable)
