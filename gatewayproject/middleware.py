"""What every answer has in common."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponse]


def private_pages(get_response: GetResponse) -> GetResponse:
    """Keep every page out of caches: the browser's on disk, and those on the way."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store, private")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        return response

    return middleware


def htmx_redirects(get_response: GetResponse) -> GetResponse:
    """Turn a redirect into a visit of the page it leads to, where htmx asked.

    A browser follows a 302 inside the request itself, so htmx would put the new page into the old
    one's dialog.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.headers.get("HX-Request") and response.status_code in (301, 302, 303):
            visit = HttpResponse(headers={"HX-Redirect": response.headers["Location"]})
            visit.cookies = response.cookies
            return visit
        return response

    return middleware


class DatabaseAwayMiddleware:
    """Answer 503 with Retry-After while the database is locked, full or away.

    Who is signed in is looked up here rather than later, so that this failure too ends in the page.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            request.user.is_authenticated  # noqa: B018 - loads the session and the account
        except (OperationalError, InterfaceError) as error:
            return self.process_exception(request, error)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        logger.error(
            "The database cannot be used: %s", type(exception.__cause__ or exception).__name__
        )
        response = render(request, "503.html", status=503)
        response.headers["Retry-After"] = "5"
        return response
