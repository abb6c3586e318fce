"""Signing in, the health checks, and the pages for when something is wrong."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from apikeys.services.resealing import missing_master_keys
from gatewayproject.draining import is_draining

MISSING_MASTER_KEY = (
    "stored credentials need a master key that is not in FERNET_KEYS: see “A key that rows still "
    "need” in docs/rotation.md, also where it is lost"
)


class SignInView(LoginView):
    def get_redirect_url(self) -> str:
        """Where to go on; never here again, which a person who is signed in could not leave."""
        url = super().get_redirect_url()
        return "" if url.partition("?")[0] == self.request.path else url


@login_not_required
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """What browsers ask for where a page names no icon, as the admin's do."""
    return redirect(static("img/logo.svg"))


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this process answers. It asks nothing of the database."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this process can serve: 503 while it cannot use the database, or lacks a master key
    that a row needs, or before it ends.
    """
    problem = "going away" if is_draining() else _in_the_way()
    return HttpResponse(
        f"{problem or 'ready'}\n", status=503 if problem else 200, content_type="text/plain"
    )


def _in_the_way() -> str:
    if not getattr(staticfiles_storage, "hashed_files", True):
        return "static files were not collected: run “python manage.py prepare”"
    try:
        if missing_master_keys():
            return MISSING_MASTER_KEY
    except DatabaseError:
        return "the database cannot be used"
    return ""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 where a form was larger than any form of ours."""
    too_large = isinstance(exception, RequestDataTooBig)
    return render(
        request, "413.html" if too_large else "400.html", status=413 if too_large else 400
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or old, mostly after signing in again in another tab."""
    return render(request, "403_csrf.html", status=403)
