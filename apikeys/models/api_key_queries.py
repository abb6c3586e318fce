"""Questions about many API keys."""

from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from .deadlines import NEED_ROTATION, condition
from .naming import same_name_key

if TYPE_CHECKING:
    from .api_key import ApiKey  # noqa: F401

SORTS = {
    "name": ("name_key",),
    "-name": ("-name_key",),
    "updated": ("credentials_changed_at", "id"),
    "-updated": ("-credentials_changed_at", "-id"),
    "created": ("created_at", "id"),
    "-created": ("-created_at", "-id"),
}


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def search(self, text: str) -> "ApiKeyQuerySet":
        """Keep those whose name contains ``text`` anywhere, in any case."""
        key = same_name_key(text)
        return self.filter(name_key__contains=key) if key else self

    def in_status(self, status: str) -> "ApiKeyQuerySet":
        """Keep those that are ``refused``, ``expired``, ``overdue``, ``due`` or ``disabled``."""
        return self.filter(condition(status, timezone.now())) if status else self

    def needing_rotation(self) -> "ApiKeyQuerySet":
        """Keep those in use whose credentials are due, overdue, expired or refused, by name."""
        now = timezone.now()
        needing = reduce(or_, (condition(status, now) for status in NEED_ROTATION))
        return self.with_details().filter(needing, enabled=True).sorted_by("name")

    def with_previous_older_than(self, days: int) -> "ApiKeyQuerySet":
        """Keep those whose previous credentials were replaced ``days`` ago or longer."""
        cutoff = timezone.now() - timedelta(days=days)
        return self.filter(previous__replaced_at__lte=cutoff).sorted_by("name")

    def with_pending_older_than(self, days: int) -> "ApiKeyQuerySet":
        """Keep those whose pending credentials were staged ``days`` ago or longer."""
        cutoff = timezone.now() - timedelta(days=days)
        return self.filter(pending__created_at__lte=cutoff).sorted_by("name")

    def sorted_by(self, sort: str) -> "ApiKeyQuerySet":
        return self.order_by(*SORTS.get(sort, SORTS["name"]))

    def with_details(self) -> "ApiKeyQuerySet":
        """Bring along what a key's own page shows."""
        return self.select_related("scheme__provider", "current")

    def with_versions(self) -> "ApiKeyQuerySet":
        """Bring along the pending and the previous version as well."""
        return self.with_details().select_related("pending", "previous")

    def for_list(self) -> "ApiKeyQuerySet":
        """Bring along what a row of the list shows, and leave the declarations where they are."""
        return self.with_details().only(
            "name",
            "environment",
            "credentials_changed_at",
            "created_at",
            "scheme__ambient",
            "scheme__provider__slug",
            "scheme__provider__name",
            "current__sealed",
            "current__hint",
            "current__created_at",
            # its statuses, and what rolling back takes
            "enabled",
            "expires_at",
            "due_at",
            "overdue_at",
            "refused_at",
            "previous_id",
            "rev",
        )

    def named(self, name: str) -> "ApiKeyQuerySet":
        return self.filter(name_key=same_name_key(name))
