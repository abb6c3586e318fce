"""Questions about many API keys."""

from typing import TYPE_CHECKING

from django.db import models

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

    def sorted_by(self, sort: str) -> "ApiKeyQuerySet":
        return self.order_by(*SORTS.get(sort, SORTS["name"]))

    def with_details(self) -> "ApiKeyQuerySet":
        """Bring along what a key's own page shows."""
        return self.select_related("scheme__provider", "current")

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
        )

    def named(self, name: str) -> "ApiKeyQuerySet":
        return self.filter(name_key=same_name_key(name))
