"""The first page, the health checks, and the pages for when something is wrong."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from apikeys.models import ApiKey, Event
from endpoints.models import Endpoint

LATEST = 8


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The AI Gateway section: how many there are of what, and what happened last."""
    return render(
        request,
        "home.html",
        {
            "api_keys": ApiKey.objects.count(),
            "endpoints": Endpoint.objects.count(),
            "without_key": Endpoint.objects.in_state("no_key").count(),
            "events": Event.objects.all()[:LATEST],
        },
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
    """Whether this process can serve: 503 while the database cannot be used."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM apikeys_provider LIMIT 1")
    except DatabaseError:
        return HttpResponse("the database cannot be used\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 where a form was larger than any form of ours."""
    too_large = isinstance(exception, RequestDataTooBig)
    return render(
        request, "413.html" if too_large else "400.html", status=413 if too_large else 400
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or old, mostly after signing in again in another tab."""
    return render(request, "403_csrf.html", status=403)
