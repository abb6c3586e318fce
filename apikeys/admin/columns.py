"""What the admin shows of an API key, in the list and on its page. Never a secret."""

from datetime import date, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from apikeys.blast_radius import blast_radius_of
from apikeys.models import ApiKey
from apikeys.models.deadlines import Status, condition


class StatusFilter(admin.SimpleListFilter):
    """What needs attention about a key."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        status = self.value()
        if status is None or status not in Status.values:
            return queryset
        return queryset.filter(condition(status, timezone.now()))


class ApiKeyColumns:
    @admin.display(ordering="scheme__provider__name")
    def provider(self, api_key: ApiKey) -> str:
        return str(api_key.provider)

    @admin.display(empty_value="")
    def hint(self, api_key: ApiKey) -> str:
        return f"…{api_key.current.hint}" if api_key.current and api_key.current.hint else ""

    @admin.display()
    def endpoints(self, api_key: Any) -> int:
        return int(api_key.endpoint_count)  # the list has counted them

    @admin.display(boolean=True)
    def readable(self, api_key: ApiKey) -> bool:
        return api_key.is_readable()

    @admin.display(empty_value="")
    def status(self, api_key: ApiKey) -> str:
        return ", ".join(status.label for status in api_key.statuses())

    @admin.display(ordering="last_used_at", empty_value="Never")
    def last_used(self, api_key: ApiKey) -> datetime | None:
        return api_key.last_used_at

    @admin.display(ordering="expires_at", empty_value="")
    def expires(self, api_key: ApiKey) -> date | None:
        return api_key.expires_at and timezone.localdate(api_key.expires_at)

    @admin.display(ordering="credentials_changed_at")
    def last_updated(self, api_key: ApiKey) -> datetime:
        return api_key.credentials_changed_at

    @admin.display(ordering="created_at")
    def created(self, api_key: ApiKey) -> datetime:
        return api_key.created_at

    @admin.display()
    def credentials(self, api_key: ApiKey) -> str:
        context = {"api_key": api_key, "unreadable": api_key.unreadable_because()}
        return render_to_string("admin/apikeys/apikey/credentials_summary.html", context)

    @admin.display()
    def configuration(self, api_key: ApiKey) -> str:
        return render_to_string("admin/apikeys/apikey/configuration.html", {"api_key": api_key})

    @admin.display(description="endpoints")
    def used_by(self, api_key: ApiKey) -> str:
        context = {"dependents": blast_radius_of(api_key).dependents}
        return render_to_string("admin/apikeys/apikey/dependents.html", context)
