"""Questions about many API keys."""

from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.db.models.lookups import Exact
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from gatewayproject.console.naming import NamedQuerySet, folded, name_key_of

from .auth_scheme import AuthScheme
from .deadlines import NEED_ROTATION, condition

if TYPE_CHECKING:
    from .api_key import ApiKey

SORTS = {
    "name": ("name_key",),
    "-name": ("-name_key",),
    "updated": ("credentials_changed_at", "id"),
    "-updated": ("-credentials_changed_at", "-id"),
    "created": ("created_at", "id"),
    "-created": ("-created_at", "-id"),
    "expires": ("expires_at", "name_key"),
    "-expires": ("-expires_at", "-name_key"),
    "used": ("last_used_at", "name_key"),
    "-used": ("-last_used_at", "-name_key"),
}
NULLABLE = {"expires_at", "last_used_at"}  # keys without the date come last in both directions
MAX_WORDS = 5  # of a search; the rest counts as one word


class _Unindexed(models.Func):
    """A column that SQLite does not look up in an index of its own."""

    template, arity = "%(expressions)s", 1

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        context["template"] = "+%(expressions)s"
        return self.as_sql(compiler, connection, **context)


class ApiKeyQuerySet(NamedQuerySet["ApiKey"]):
    def search(self, text: str) -> "ApiKeyQuerySet":
        """Keep those with each word of ``text`` somewhere, in any case.

        It may be in the name, hint, team or description, or in the provider's name.
        """
        providers: list[tuple[int, str]] | None = None
        keys = self
        for word in name_key_of(text).split(" ", MAX_WORDS - 1):
            if not word:
                continue
            if providers is None:
                providers = [
                    (scheme, folded(name))
                    for scheme, name in AuthScheme.objects.values_list("pk", "provider__name")
                ]
            schemes = [scheme for scheme, name in providers if word in name]
            found = Q(name_key__contains=word) | Q(search_key__contains=word)
            keys = keys.filter(found | Q(scheme__in=schemes) if schemes else found)
        return keys

    def in_environment(self, environment: str) -> "ApiKeyQuerySet":
        """Keep those of ``environment``, without the index of that column alone.

        It has a third of the keys, so SQLite would read each row by it, instead of the covering
        index that also answers a search.
        """
        return self.filter(Exact(_Unindexed("environment"), environment))

    def expiring_within(self, days: int) -> "ApiKeyQuerySet":
        """Keep those that expire in the next ``days``."""
        now = timezone.now()
        return self.filter(expires_at__gt=now, expires_at__lte=now + timedelta(days=days))

    def unused_for(self, days: int) -> "ApiKeyQuerySet":
        """Keep those that are older than ``days`` and had no request since."""
        cutoff = timezone.now() - timedelta(days=days)
        return self.filter(Q(last_used_at__lt=cutoff) | Q(last_used_at=None, created_at__lt=cutoff))

    def in_status(self, status: str) -> "ApiKeyQuerySet":
        """Keep those with a ``Status``, or all without one."""
        return self.filter(condition(status, timezone.now())) if status else self

    def needing_rotation(self) -> "ApiKeyQuerySet":
        """Keep those in use that have a status of ``NEED_ROTATION``, by name."""
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

    def entered_by(self, person: str) -> "ApiKeyQuerySet":
        """Keep those whose current credentials this person entered, by name."""
        return self.filter(current__created_by=person).sorted_by("name")

    def sorted_by(self, sort: str) -> "ApiKeyQuerySet":
        first, *rest = SORTS.get(sort, SORTS["name"])
        column = first.lstrip("-")
        if column not in NULLABLE:
            return self.order_by(first, *rest)
        order = models.OrderBy(models.F(column), descending=first != column, nulls_last=True)
        return self.order_by(order, *rest)

    def parts_sorted_by(self, sort: str) -> list["ApiKeyQuerySet"]:
        """Return the same list in parts, each in the order of an index."""
        first, *rest = SORTS.get(sort, SORTS["name"])
        column = first.lstrip("-")
        if column not in NULLABLE:
            return [self.order_by(first, *rest)]
        dated = self.filter(**{f"{column}__isnull": False}).order_by(first, *rest)
        return [dated, self.filter(**{f"{column}__isnull": True}).order_by(*rest)]

    def with_details(self) -> "ApiKeyQuerySet":
        """Select what a key's own page shows."""
        return self.select_related("scheme__provider", "current")

    def with_versions(self) -> "ApiKeyQuerySet":
        """Bring along the pending and the previous version as well."""
        return self.with_details().select_related("pending", "previous")

    def for_list(self) -> "ApiKeyQuerySet":
        """Bring along what a row of the list shows, but for its scheme: rows share the few."""
        return self.select_related("current").only(
            "name",
            "environment",
            "credentials_changed_at",
            "created_at",
            "config",
            "scheme",
            "current__sealed",
            "current__hint",
            "current__created_at",
            # its statuses, and what rolling back takes
            "enabled",
            "expires_at",
            "expiry_notice_days",
            "last_used_at",
            "due_at",
            "overdue_at",
            "refused_at",
            "restricted",
            "previous_id",
            "rev",
        )

    def lock(self, *ids: UUID | None) -> dict[UUID, "ApiKey"]:
        """Lock keys until the transaction ends, and return those that exist.

        Lock order: keys by ID, then their versions and endpoints, to avoid deadlocks.
        """
        rows = self.select_for_update().filter(pk__in=[pk for pk in ids if pk]).order_by("pk")
        return {row.pk: row for row in rows}

    def that_can_replace(self, api_key: "ApiKey") -> "ApiKeyQuerySet":
        """Keep the other keys that can serve what ``api_key`` does."""
        schemes = [
            scheme.pk for scheme in AuthScheme.objects.all() if scheme.can_replace(api_key.scheme)
        ]
        return self.filter(scheme__in=schemes).exclude(pk=api_key.pk)
