"""What the admin shows of an API key: columns of the list, summaries on its page. Never a value."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string

from apikeys.models import ApiKey
from apikeys.models.api_key_queries import ApiKeyQuerySet
from apikeys.models.deadlines import Status


class StatusFilter(admin.SimpleListFilter):
    """What a key may need somebody for."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return Status.choices

    def queryset(self, request: HttpRequest, queryset: ApiKeyQuerySet) -> ApiKeyQuerySet:
        return queryset.in_status(self.value() if self.value() in Status.values else "")


class ApiKeyColumns:
    @admin.display(ordering="scheme__provider__name")
    def provider(self, api_key: ApiKey) -> str:
        return str(api_key.provider)

    @admin.display(empty_value="")
    def hint(self, api_key: ApiKey) -> str:
        return f"…{api_key.current.hint}" if api_key.current and api_key.current.hint else ""

    @admin.display()
    def endpoints(self, api_key: ApiKey) -> int:
        return api_key.endpoint_count

    @admin.display(boolean=True)
    def readable(self, api_key: ApiKey) -> bool:
        return api_key.is_readable()

    @admin.display(empty_value="")
    def status(self, api_key: ApiKey) -> str:
        return ", ".join(status.label for status in api_key.statuses())

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
        context = {"dependents": api_key.blast_radius().dependents}
        return render_to_string("admin/apikeys/apikey/dependents.html", context)
