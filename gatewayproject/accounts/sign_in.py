"""Protection against password guessing, on the login page and for the old password.

django-axes counts failures. This module defines by which address, and the limits
(docs/operations.md).
"""

import ipaddress
import logging
from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.http import HttpRequest

from .actors import client_address

logger = logging.getLogger(__name__)

NO_ADDRESS = "::"  # for clients without one, such as through a Unix socket
KNOWN_ADDRESS_FOR = timedelta(days=90)
MAX_NAME = 80  # characters of a name in the log


def counted_address(request: HttpRequest) -> str:
    """Return the address that failures count for: an IPv4 address, or the /64 of an IPv6 address,
    which is what an internet provider assigns to one customer."""
    address = client_address(request)
    if ":" in address:
        return str(ipaddress.ip_network(f"{address}/64", strict=False).network_address)
    return address or NO_ADDRESS


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # an untyped library
    """Counts failures by name and address, and with a higher limit by name alone.

    The second limit stops guesses from many addresses. It does not apply to addresses with a recent
    sign-in to the account, so that an attacker cannot lock out its owner.
    """

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        failures: int = super().get_failures(request, credentials)
        name = get_client_username(request, credentials)
        if failures < settings.AXES_FAILURE_LIMIT and self._is_attacked(request, name):
            return settings.AXES_FAILURE_LIMIT
        return failures

    def _is_attacked(self, request: Any, name: str | None) -> bool:
        since = request.axes_attempt_time - timedelta(hours=settings.AXES_COOLOFF_TIME)
        attempts = AccessAttempt.objects.filter(username=name, attempt_time__gte=since)
        failures = attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0
        return (
            failures >= settings.LOGIN_FAILURE_LIMIT_PER_ACCOUNT
            and not AccessLog.objects.filter(
                username=name,
                ip_address=request.axes_ip_address,
                attempt_time__gte=request.axes_attempt_time - KNOWN_ADDRESS_FOR,
            ).exists()
        )

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any
    ) -> None:
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is not None:
            logger.warning(
                "Failed sign-in%s: %r from %s",
                " (locked)" if request.axes_locked_out else "",
                str(credentials.get("username"))[:MAX_NAME],
                client_address(request) or "an unknown address",
            )


class OldPasswordForm(PasswordChangeForm):
    """Counts a wrong old password like a failed sign-in."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        name = self.user.get_username()
        if authenticate(self.request, username=name, password=password) != self.user:
            raise ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return password


class ChangePasswordView(PasswordChangeView):
    form_class = OldPasswordForm
    success_url = "/"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}
