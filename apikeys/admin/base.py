"""What every admin of ours has in common: acts are audited, and there is no bulk way around."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import BadRequest, ValidationError
from django.db import IntegrityError, models
from django.db.models import ProtectedError
from django.http import HttpRequest, HttpResponse

from apikeys.actors import Actor
from apikeys.models import Event
from apikeys.services import Conflict

from .fields import ForeignKeysByAutocomplete

EVENTS = 50
IN_THE_WAY = (Conflict, ValidationError, ProtectedError, IntegrityError)


class AuditedAdmin(ForeignKeysByAutocomplete, admin.ModelAdmin):
    """Subclasses act through services, or write the one event of the act themselves."""

    actions = None
    view_on_site = False
    show_full_result_count = False
    object_history_template = "admin/audit_trail.html"

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Where somebody else was faster, nothing was saved: checked again, the form says so."""
        if "_saveasnew" in request.POST:
            raise BadRequest("Nothing is saved as new here.")
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IN_THE_WAY:
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, *args, **kwargs)
        except IN_THE_WAY:
            return super().delete_view(request, *args, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show every act, whichever way it came, and not only those of the admin."""
        subject = self.get_object(request, unquote(object_id))
        events = Event.objects.about(subject)[:EVENTS] if subject is not None else ()
        return super().history_view(request, object_id, {"events": events, **(extra_context or {})})


class RevisedAdmin(AuditedAdmin):
    """For a ``RevisedForm``: its page carries the revision that the person saw."""

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        (title, options), *others = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            options = {**options, "fields": (*options["fields"], "revision")}
        return [(title, options), *others]


def actor(request: HttpRequest) -> Actor:
    return Actor.of(request, channel=Event.Channel.ADMIN)


def names_only(fields: list[str]) -> list[dict[str, Any]]:
    """Return the message of a log entry: which fields were changed, and no values."""
    return [{"changed": {"fields": sorted(fields)}}] if fields else []


def changed_since(subject: models.Model) -> str:
    """Say who changed ``subject`` last, and what, to somebody whose form shows an older state."""
    latest = Event.objects.about(subject).first()
    who = f"{latest.actor} ({', '.join(latest.fields)})" if latest else "somebody else"
    return (
        f"In the meantime this was changed by {who}. Nothing was saved. "
        "Compare with what is stored now, then save again."
    )
