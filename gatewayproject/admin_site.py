"""The operators' side."""

from collections.abc import Callable
from functools import wraps
from typing import Any
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


class GatewayAdminSite(admin.AdminSite):
    site_header = "Gatehouse administration"
    site_title = "Gatehouse"
    index_title = "Operators"

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Send people to the one login page there is, which is throttled."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            messages.error(request, "The administration is for staff accounts only.")
            return redirect("home")
        query = urlencode({REDIRECT_FIELD_NAME: _next_page(request)})
        return redirect(f"{reverse('login')}?{query}")

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Refuse NUL characters in a URL: PostgreSQL would refuse a filter or search with one."""

        @wraps(view)
        def without_nul(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if "\0" in unquote(request.META.get("QUERY_STRING", "")):
                raise BadRequest("A URL holds no NUL character.")
            return view(request, *args, **kwargs)

        return super().admin_view(without_nul, cacheable)


def _next_page(request: HttpRequest) -> str:
    target = request.GET.get(REDIRECT_FIELD_NAME, "")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else reverse("admin:index")
