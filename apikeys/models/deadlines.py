"""When credentials expire, are due or overdue: the dates, and the statuses of a list.

``condition`` and ``statuses`` are the same rule, in SQL and in Python.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from .api_key import ApiKey

DUE_NOTICE = timedelta(days=7)
DUE_SHARE = 10  # of an interval below ten weeks, only the last tenth
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Status(models.TextChoices):
    """What needs attention about a key, the worst first."""

    REFUSED = "refused", "Refused by provider"
    RESTRICTED = "restricted", "Restricted by provider"  # see restriction.py
    EXPIRED = "expired", "Expired"
    EXPIRING = "expiring", "Expiring"
    OVERDUE = "overdue", "Overdue"
    DUE = "due", "Due"
    DISABLED = "disabled", "Disabled"

    @property
    def tone(self) -> str:
        """How a badge shows it: ``danger``, ``warning`` or neither."""
        if self is Status.DISABLED:
            return ""
        is_mild = self in (Status.RESTRICTED, Status.DUE, Status.EXPIRING)
        return "warning" if is_mild else "danger"


NEED_ROTATION = (Status.REFUSED, Status.EXPIRED, Status.EXPIRING, Status.OVERDUE, Status.DUE)


def deadlines(
    begin: datetime,
    *,
    expires_at: datetime | None,
    expiry_notice_days: int | None,
    rotate_every_days: int | None,
) -> dict[str, datetime | None]:
    """Return the columns computed for credentials that were entered at ``begin``.

    ``notice_at`` is set only for a key with a notice of its own, because the setting may change.
    """
    notice_at = overdue_at = due_at = None
    if expires_at and expiry_notice_days is not None:
        notice_at = max(expires_at, EPOCH) - timedelta(days=expiry_notice_days)
    if rotate_every_days:
        interval = timedelta(days=rotate_every_days)
        overdue_at = begin + interval
        due_at = overdue_at - min(DUE_NOTICE, interval / DUE_SHARE)
    return {
        "expires_at": expires_at,
        "notice_at": notice_at,
        "due_at": due_at,
        "overdue_at": overdue_at,
    }


def default_notice() -> timedelta:
    """Return the notice period of keys without one of their own."""
    return timedelta(days=settings.EXPIRY_NOTICE_DAYS)


def is_expiring(expires_at: datetime | None, notice_days: int | None, now: datetime) -> bool:
    """Whether it expires within the notice period."""
    if expires_at is None or expires_at <= now:
        return False
    notice = default_notice() if notice_days is None else timedelta(days=notice_days)
    return expires_at <= now + notice


def condition(status: str, now: datetime) -> Q:
    """Return the condition for keys with ``status``. Each has an index."""
    expired, overdue = Q(expires_at__lte=now), Q(overdue_at__lte=now)
    near = Q(notice_at=None, expires_at__lte=now + default_notice()) | Q(notice_at__lte=now)
    return {
        Status.REFUSED: Q(refused_at__isnull=False),
        Status.RESTRICTED: Q(restricted=True),
        Status.EXPIRED: expired,
        Status.EXPIRING: Q(expires_at__gt=now) & near,
        Status.OVERDUE: overdue,
        Status.DUE: Q(due_at__lte=now) & ~overdue & ~expired,
        Status.DISABLED: Q(enabled=False),
    }[Status(status)]


def statuses(api_key: "ApiKey", now: datetime) -> list[Status]:
    """Return all statuses that apply to a loaded key."""
    expired, overdue = _passed(api_key.expires_at, now), _passed(api_key.overdue_at, now)
    applies = {
        Status.REFUSED: api_key.refused_at is not None,
        Status.RESTRICTED: api_key.restricted,
        Status.EXPIRED: expired,
        Status.EXPIRING: is_expiring(api_key.expires_at, api_key.expiry_notice_days, now),
        Status.OVERDUE: overdue,
        Status.DUE: _passed(api_key.due_at, now) and not (expired or overdue),
        Status.DISABLED: not api_key.enabled,
    }
    return [status for status, does in applies.items() if does]


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
