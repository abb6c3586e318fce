"""The base classes of all admins: every change is audited, and there are no bulk actions."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import IntegrityError, models
from django.db.models import ProtectedError
from django.forms.formsets import all_valid
from django.http import HttpRequest, HttpResponse

from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.forms.merge import MergeForm, Review
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.admin_fields import ForeignKeysByAutocomplete
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.views import add_merge_message

from .forms import MergedModelForm

EVENTS = 50
CHANGED = "Someone changed this while you were editing."
NOT_SAVED = (Conflict, ValidationError, ProtectedError, IntegrityError)


class ListedFiltersOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic only in the stubs
    """An admin whose list accepts only the filters that it shows."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse other lookups, with which any column could be guessed letter by letter."""
        for item in self.list_filter:
            first = item[0] if isinstance(item, tuple) else item
            name = first if isinstance(first, str) else getattr(first, "parameter_name", "")
            if name and (lookup == name or lookup.startswith(f"{name}__")):
                return True
        return False


class AuditedAdmin(ForeignKeysByAutocomplete, ListedFiltersOnly):
    """Subclasses call services, or record the audit event themselves."""

    actions = None
    view_on_site = False
    show_full_result_count = False
    object_history_template = "admin/audit_events.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Merge concurrent edits. The status is 409 or 422 if nothing was saved."""
        if "_saveasnew" in request.POST:
            raise BadRequest("Save as new is not available here.")
        review = self._merge_posted(request, object_id)
        try:
            response = super().changeform_view(request, object_id, form_url, extra_context)
        except NOT_SAVED as refusal:  # found while saving, after validation; nothing was saved
            return self._refused(request, object_id, refusal)
        if request.method != "POST":
            return response
        if response.status_code != 200:
            add_merge_message(request, review)
        else:
            response.status_code = 409 if review.is_needed else 422
        return response

    def _merge_posted(self, request: HttpRequest, object_id: str | None) -> Review:
        """Merge changes by others into ``request.POST``, which inlines read as well."""
        if request.method != "POST" or object_id is None or not issubclass(self.form, MergeForm):
            return Review()
        subject = self.get_object(request, unquote(object_id))
        if subject is None or not self.has_change_permission(request, subject):
            return Review()
        form = self._form_class(request, subject)(request.POST, instance=subject)
        request.POST = form.data
        review: Review = form.review
        return review

    def _form_class(self, request: HttpRequest, subject: models.Model | None) -> Any:
        fields = flatten_fieldsets(self.get_fieldsets(request, subject))
        return self.get_form(request, subject, change=subject is not None, fields=fields)

    def _refused(
        self, request: HttpRequest, object_id: str | None, refusal: Exception
    ) -> HttpResponse:
        """Show the form as posted, with the reason why it was not saved."""
        subject = self.get_object(request, unquote(object_id)) if object_id else None
        if object_id and subject is None:
            return self._redirect_if_deleted(request, object_id)
        if subject is not None and not self.has_change_permission(request, subject):
            raise PermissionDenied
        is_new = subject is None
        review = self._merge_posted(request, object_id)
        form = self._form_class(request, subject)(request.POST, request.FILES, instance=subject)
        create = self._create_formsets  # type: ignore[attr-defined]  # private
        formsets, inlines = create(request, form.instance, change=not is_new)
        form.is_valid()
        all_valid(formsets)
        for error in errors_of(refusal, review):
            form.add_error(None, error)
        admin_form = helpers.AdminForm(
            form,
            list(self.get_fieldsets(request, subject)),  # type: ignore[arg-type]  # stubs disagree
            self.get_prepopulated_fields(request, subject),
            self.get_readonly_fields(request, subject),
            model_admin=self,
        )
        inline_formsets = self.get_inline_formsets(request, formsets, inlines, subject)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{'Add' if is_new else 'Change'} {self.opts.verbose_name}",
            "subtitle": str(subject) if subject else None,
            "adminform": admin_form,
            "object_id": object_id,
            "original": subject,
            "is_popup": False,
            "to_field": None,
            "media": sum((item.media for item in inline_formsets), self.media + admin_form.media),
            "inline_admin_formsets": inline_formsets,
            "errors": helpers.AdminErrorList(form, formsets),
            "preserved_filters": self.get_preserved_filters(request),
        }
        response = self.render_change_form(
            request, context, add=is_new, change=not is_new, obj=subject
        )
        response.status_code = 409
        return response

    def _redirect_if_deleted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Tell that the row was deleted, as Django's own pages do."""
        redirect = self._get_obj_does_not_exist_redirect  # type: ignore[attr-defined]  # private
        response: HttpResponse = redirect(request, self.opts, object_id)
        return response

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except NOT_SAVED as refusal:
            return self._not_deleted(request, object_id, refusal)

    def _not_deleted(
        self, request: HttpRequest, object_id: str, refusal: Exception
    ) -> HttpResponse:
        """Show the current confirmation, with the reason why nothing was deleted."""
        subject = self.get_object(request, unquote(object_id))
        if subject is None:
            return self._redirect_if_deleted(request, object_id)
        to_delete, counts, lacking, protected = self.get_deleted_objects([subject], request)
        for error in errors_of(refusal, Review()):
            messages.error(request, error)
        context = {
            **self.admin_site.each_context(request),
            "title": "Delete",
            "subtitle": None,
            "object_name": str(self.opts.verbose_name),
            "object": subject,
            "deleted_objects": to_delete,
            "model_count": dict(counts).items(),
            "perms_lacking": lacking,
            "protected": protected,
            "opts": self.opts,
            "app_label": self.opts.app_label,
            "preserved_filters": self.get_preserved_filters(request),
            "is_popup": False,
            "to_field": None,
        }
        response = self.render_delete_form(request, context)
        response.status_code = 409
        return response

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show all audit events, not only those of the admin."""
        subject = self.get_object(request, unquote(object_id))
        events = AuditEvent.objects.about(subject)[:EVENTS] if subject is not None else ()
        return super().history_view(request, object_id, {"events": events, **(extra_context or {})})


class RevisedAdmin(AuditedAdmin):
    """For a subclass of ``MergeForm``: adds its hidden inputs to the page."""

    form: type[MergedModelForm]

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        (title, options), *others = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            hidden = (self.form.revision_input, "base")
            options = {**options, "fields": (*options["fields"], *hidden)}
        return [(title, options), *others]


def actor(request: HttpRequest) -> Actor:
    return Actor.of(request, channel=AuditEvent.Channel.ADMIN)


def names_only(fields: list[str]) -> list[dict[str, Any]]:
    """Return the message of a log entry: the changed fields, without values."""
    return [{"changed": {"fields": sorted(fields)}}] if fields else []


def errors_of(refusal: Exception, review: Review) -> list[str]:
    """Return why a change was not saved, for the user."""
    match refusal:
        case ValidationError():
            return refusal.messages
        case ProtectedError():
            return ["Still in use. Nothing was deleted."]
        case IntegrityError():
            return ["Someone else just saved the same name. Nothing is saved yet."]
    return [f"{review.summary or CHANGED} Nothing is saved yet. Review, then save."]


def changed_since(subject: models.Model) -> str:
    """Return who changed ``subject`` last, and which fields, for a user with an outdated form."""
    latest = AuditEvent.objects.about(subject).first()
    if latest is None:
        return f"{CHANGED} Nothing is saved yet."
    what = ", ".join(latest.field_labels) or "this"
    return f"{latest.actor} changed {what} while you were editing. Nothing is saved yet."
