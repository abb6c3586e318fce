"""The read-only admin of audit events."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from gatewayproject.accounts.models import AuditEvent

from .audited import ListedFiltersOnly

ALL = (
    "at",
    "actor",
    "act",
    "subject_type",
    "subject_name",
    "subject_id",
    "changed_fields",
    "note",
    "channel",
    "address",
)


@admin.register(AuditEvent)
class AuditEventAdmin(ListedFiltersOnly):
    list_display = (
        "at",
        "actor",
        "act",
        "subject_type",
        "subject_name",
        "changed_fields",
        "channel",
        "address",
    )
    list_filter = ("at", "channel", "act", "subject_type")
    search_fields = ("subject_name", "actor", "subject_id")
    search_help_text = "Search by name, ID or person."
    list_per_page = 50
    show_full_result_count = False
    actions = None
    fields = readonly_fields = ALL

    @admin.display(description="fields")
    def changed_fields(self, event: AuditEvent) -> str:
        return ", ".join(event.field_labels)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
