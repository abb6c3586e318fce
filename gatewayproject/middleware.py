"""Middleware: response headers, htmx redirects, and 503 for what is temporarily unavailable."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .accounts.passwords import HashingBusy
from .server.database_limits import is_read_only

logger = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponse]


def private_pages(get_response: GetResponse) -> GetResponse:
    """Keep pages out of caches, in the browser and in proxies."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store, private")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        return response

    return middleware


def htmx_redirects(get_response: GetResponse) -> GetResponse:
    """Turn a redirect into a page load if htmx sent the request.

    A browser follows a 302 within the request, so htmx would swap the new page into the dialog of
    the old one.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.headers.get("HX-Request") and response.status_code in (301, 302, 303):
            visit = HttpResponse(headers={"HX-Redirect": response.headers["Location"]})
            visit.cookies = response.cookies
            return visit
        return response

    return middleware


class HashingBusyMiddleware:
    """Respond 503 with Retry-After while too many passwords are being hashed."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, HashingBusy):
            return None
        response = render(request, "registration/busy.html", status=503)
        response.headers["Retry-After"] = "2"
        return response


class DatabaseUnavailableMiddleware:
    """Respond 503 with Retry-After while the database is locked, full, read-only or unavailable.

    The session is loaded here rather than later, so that its failure shows the same page. Its query
    also shows whether a kept connection still works: nothing has been done, so it can be repeated.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
        is_kept = has_session and connection.connection is not None
        if is_kept:
            connection.health_check_done = True  # type: ignore[attr-defined]  # not in the stubs
        try:
            try:
                request.user.is_authenticated  # noqa: B018 - loads the session and the account
            except (OperationalError, InterfaceError):
                if not is_kept or connection.in_atomic_block:
                    raise
                connection.close()
                request.user.is_authenticated  # noqa: B018
        except DatabaseError as error:
            if response := self.process_exception(request, error):
                return response
            raise
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if is_read_only(exception):
            connection.close()  # the next one may be to the new primary
        elif not isinstance(exception, OperationalError | InterfaceError):
            return None
        logger.error(
            "The database cannot be used: %s", type(exception.__cause__ or exception).__name__
        )
        response = render(request, "503.html", status=503)
        response.headers["Retry-After"] = "5"
        return response
