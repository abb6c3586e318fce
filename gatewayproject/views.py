"""The overview, sign-in, health checks and error pages."""

import ipaddress
import re
import sys
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views import debug, defaults
from django.views.decorators.http import require_safe

from apikeys.models import ApiKey
from apikeys.models.deadlines import NEED_ROTATION, Status
from apikeys.services.master_key_rotation import missing_master_keys
from endpoints.models import Endpoint, GatewayToken
from endpoints.services.health import unhealthy_counts

from .accounts.models import AuditEvent, attach_subjects
from .accounts.models.audit_event import group_events
from .server.graceful_shutdown import is_draining

# How the paths of SDKs begin.
_OF_AN_API = re.compile(
    r"/(v1\w*|openai|anthropic|gemini|chat|completions|embeddings|messages|responses|models)(/|\Z)"
)
LATEST = 8
LOOKED_AT = 40  # events, of which many may be of one bulk action


@dataclass(frozen=True)
class Attention:
    """Rows that need attention, and the URL that lists them."""

    count: int
    noun: str
    state: str
    url: str


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    newest = list(AuditEvent.objects.all()[:LOOKED_AT])
    attach_subjects(newest)
    events = group_events(newest, is_cut=len(newest) == LOOKED_AT)[:LATEST]
    url = reverse("endpoints:list")
    attention = [
        Attention(count, "endpoint", state.label.lower(), f"{url}?state={state}")
        for state, count in unhealthy_counts()
    ]
    url = reverse("apikeys:list")
    attention += [
        Attention(count, "API key", status.label.lower(), f"{url}?status={status}")
        for status in (*NEED_ROTATION, Status.RESTRICTED)
        if (count := ApiKey.objects.in_status(status).count())
    ]
    return render(
        request,
        "overview.html",
        {
            "api_keys": ApiKey.objects.count(),
            "endpoints": Endpoint.objects.count(),
            "tokens": GatewayToken.objects.of_applications().count(),
            "attention": attention,
            "events": events,
        },
    )


DATABASE_AWAY = "the database is not available"
DATABASE_READ_ONLY = "the database is read-only"
MISSING_MASTER_KEY = (
    "stored credentials need a master key that is not in FERNET_KEYS. See “Missing master keys” in "
    "docs/rotation.md"
)


class SignInView(LoginView):
    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return the next page. Never this one: a signed-in user would be redirected forever."""
        url = super().get_redirect_url()
        return "" if url.partition("?")[0] == self.request.path else url


@login_not_required
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers request this for pages without an icon, such as the admin's."""
    return redirect(static("img/logo.svg"))


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Report that this process responds. Does not use the database."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Report whether this process can serve: 503 if it cannot use the database, if a row needs a
    missing master key, or during shutdown.
    """
    problem = "shutting down" if is_draining() else reason_not_ready()
    return HttpResponse(
        f"{problem or 'ready'}\n", status=503 if problem else 200, content_type="text/plain"
    )


def reason_not_ready() -> str:
    """Return why this process cannot serve, or ``""`` if it can."""
    if not getattr(staticfiles_storage, "hashed_files", True):
        return "static files are missing. Run “python manage.py prepare”"
    try:
        if _database_is_read_only():
            return DATABASE_READ_ONLY
        if missing_master_keys():
            return MISSING_MASTER_KEY
    except DatabaseError:
        return DATABASE_AWAY
    return ""


def _database_is_read_only() -> bool:
    """Report whether this is a standby or a demoted primary. If so, close the connection."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        is_read_only = bool(cursor.fetchone() == ("on",))
    if is_read_only:
        connection.close()
    return is_read_only


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 if the form is too large."""
    if isinstance(exception, RequestDataTooBig):
        return render(request, "413.html", status=413)
    unknown_host = isinstance(exception, DisallowedHost)
    return render(request, "400.html", {"unknown_host": unknown_host}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a page, or where the gateway is for a client whose base URL lacks /gateway."""
    if "text/html" in request.headers.get("Accept", "") or not _OF_AN_API.match(request.path):
        return defaults.page_not_found(request, exception)
    message = (
        f"There is nothing at {request.path[:200]}. The gateway is at "
        f"{request.build_absolute_uri('/gateway/v1')}: check the base URL of your client."
    )
    error = {"message": message, "type": "invalid_request_error", "code": "not_found"}
    headers = {"x-should-retry": "false"}
    return JsonResponse({"type": "error", "error": error}, status=404, headers=headers)


def server_error(request: HttpRequest) -> HttpResponse:
    if _may_see_debug_page(request):
        return debug.technical_500_response(request, *sys.exc_info())
    return defaults.server_error(request)


def _may_see_debug_page(request: HttpRequest) -> bool:
    """Only browsers on the machine of a trial may see Django's debug page."""
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return settings.TRIAL and address.is_loopback


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or old, usually after signing in again in another tab."""
    return render(request, "403_csrf.html", status=403)
