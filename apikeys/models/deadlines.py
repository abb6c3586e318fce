"""When credentials are due, overdue or expired: the dates, and what a list warns of."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from .api_key import ApiKey

NOTICE = timedelta(days=7)
NOTICE_SHARE = 10  # of what lasts less than ten weeks, only the last tenth


class Status(models.TextChoices):
    """What a key may need somebody for, the worst first."""

    REFUSED = "refused", "Refused by provider"
    EXPIRED = "expired", "Expired"
    OVERDUE = "overdue", "Overdue"
    DUE = "due", "Due"
    DISABLED = "disabled", "Disabled"


NEED_ROTATION = (Status.REFUSED, Status.EXPIRED, Status.OVERDUE, Status.DUE)


def deadlines(
    begin: datetime, *, expires_at: datetime | None, rotate_every_days: int | None
) -> dict[str, datetime | None]:
    """Return the columns that follow from credentials that began at ``begin``."""
    overdue_at = begin + timedelta(days=rotate_every_days) if rotate_every_days else None
    ends = [end for end in (expires_at, overdue_at) if end]
    due_at = min((_notice(begin, end) for end in ends), default=None)
    return {"expires_at": expires_at, "due_at": due_at, "overdue_at": overdue_at}


def _notice(begin: datetime, end: datetime) -> datetime:
    return end - min(NOTICE, max(end - begin, timedelta()) / NOTICE_SHARE)


def condition(status: str, now: datetime) -> Q:
    """Return the condition on the row of a key that has ``status``. Each has an index."""
    expired, overdue = Q(expires_at__lte=now), Q(overdue_at__lte=now)
    return {
        Status.REFUSED: Q(refused_at__isnull=False),
        Status.EXPIRED: expired,
        Status.OVERDUE: overdue,
        Status.DUE: Q(due_at__lte=now) & ~overdue & ~expired,
        Status.DISABLED: Q(enabled=False),
    }[Status(status)]


def statuses(api_key: "ApiKey", now: datetime) -> list[Status]:
    """Return the same of a key that has been loaded: all that apply."""
    expired, overdue = _passed(api_key.expires_at, now), _passed(api_key.overdue_at, now)
    applies = {
        Status.REFUSED: api_key.refused_at is not None,
        Status.EXPIRED: expired,
        Status.OVERDUE: overdue,
        Status.DUE: _passed(api_key.due_at, now) and not (expired or overdue),
        Status.DISABLED: not api_key.enabled,
    }
    return [status for status, does in applies.items() if does]


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
