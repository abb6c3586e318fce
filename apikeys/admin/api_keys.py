"""API keys: details to edit, credentials as a summary with a page of their own."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path

from apikeys import blast_radius, services
from apikeys.blast_radius import blast_radius_of
from apikeys.forms import DeleteApiKeyForm
from apikeys.forms.delete import deleted
from apikeys.models import ApiKey
from apikeys.models.api_key_queries import ApiKeyQuerySet
from gatewayproject.accounts.admin.audited import RevisedAdmin, actor, names_only
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.views import posted

from .columns import ApiKeyColumns, StatusFilter
from .forms import ApiKeyDetailsForm, CredentialsForm

LIST = "admin:apikeys_apikey_changelist"
CHANGED = "The endpoints using this key have changed since you opened this page."


@admin.register(ApiKey)
class ApiKeyAdmin(ApiKeyColumns, RevisedAdmin):
    form = ApiKeyDetailsForm
    list_display = (
        "name",
        "provider",
        "hint",
        "environment",
        "team",
        "endpoints",
        "readable",
        "status",
        "last_used",
        "expires",
        "last_updated",
        "created",
    )
    list_filter = (
        StatusFilter,
        "environment",
        ("scheme__provider", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("scheme__provider", "current")
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = "Search by name, hint, team, description or provider."
    ordering = ("name_key",)
    fieldsets = (
        (None, {"fields": ("name", "environment", "team", "description")}),
        ("Usage", {"fields": ("scheme", "credentials", "configuration", "used_by")}),
        (
            "Rotation",
            {"fields": ("status", "rotate_every_days", "expires_at", "expiry_notice_days")},
        ),
        ("When", {"fields": ("last_used", "last_updated", "created", "created_by")}),
    )
    readonly_fields = (
        *("scheme", "credentials", "configuration", "used_by", "status"),
        *("last_used", "last_updated", "created", "created_by"),
    )

    # --- The list

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiKey], search_term: str
    ) -> tuple[QuerySet[ApiKey], bool]:
        return cast(ApiKeyQuerySet, queryset).search(search_term), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count endpoints for the keys on this page, in one query."""
        changelist = super().get_changelist_instance(request)
        counts = blast_radius.registry().counts([key.pk for key in changelist.result_list])
        for key in changelist.result_list:
            key.endpoint_count = counts.get(key.pk, 0)
        return changelist

    # --- One key

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The inputs depend on the provider, so use the page of the site."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect("apikeys:new")

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: ApiKeyDetailsForm, change: bool
    ) -> None:
        _, form.saved_names, notes = services.update_api_key(
            form.draft, by=actor(request), rev=form.cleaned_data["revision"]
        )
        for note in notes:
            messages.info(request, note)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        return names_only(form.saved_names)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.credentials_view)
        return [
            path("<uuid:pk>/credentials/", view, name="apikeys_apikey_credentials"),
            *super().get_urls(),
        ]

    def credentials_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Replace credentials. Stored ones are never shown."""
        api_key = get_object_or_404(ApiKey.objects.with_details(), pk=pk)
        if not self.has_change_permission(request, api_key):
            raise PermissionDenied
        form = CredentialsForm(posted(request), api_key=api_key)
        status: dict[str, int] = {}
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    api_key, changed, notes = services.update_api_key(
                        form.draft,
                        by=actor(request),
                        rev=form.cleaned_data.get("rev") or 0,
                        remove=form.removed,
                    )
                    self.log_change(request, api_key, names_only(changed))
            except ValidationError as error:
                form.show(error)
            except Conflict:
                form.begin_again(get_object_or_404(ApiKey, pk=pk))
                status = {"status": 409}
            else:
                done = "Replaced credentials" if changed else "Nothing was changed"
                messages.success(request, f"{done}: {api_key.name}.")
                for note in notes:
                    messages.info(request, note)
                return redirect("admin:apikeys_apikey_change", api_key.pk)
        title = f"Replace credentials: {api_key.name}"
        return self._page(
            request, "credentials", api_key, form, title=title, subtitle=None, **status
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what depends on the key, and offer a replacement."""
        api_key = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, api_key):
            raise PermissionDenied
        if api_key is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]  # not in the stubs
                request, self.opts, object_id
            )
            return missing
        radius = blast_radius_of(api_key)
        typed = request.POST.get("replacement", "")
        form = DeleteApiKeyForm(posted(request), api_key=api_key, radius=radius, typed=typed)
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    self.log_deletions(request, ApiKey.objects.filter(pk=api_key.pk))
                    services.delete_api_key(
                        api_key,
                        by=actor(request),
                        seen=form.cleaned_data["seen"],
                        replacement=form.cleaned_data.get("replacement"),
                        confirmation=form.cleaned_data.get("confirmation", ""),
                    )
            except ValidationError as error:
                form.show(error)
            except Conflict:
                radius = blast_radius_of(api_key)
                form = DeleteApiKeyForm(api_key=api_key, radius=radius, typed=typed)
                messages.error(request, f"{CHANGED} Nothing was deleted.")
                return self._page(
                    request, "delete_confirmation", api_key, form, title="Delete", status=409
                )
            else:
                messages.success(request, deleted(api_key, radius, form))
                return redirect(LIST)
        return self._page(
            request, "delete_confirmation", api_key, form, title="Delete", radius=radius
        )

    def _page(
        self, request: HttpRequest, template: str, api_key: ApiKey, form: Any, **context: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "original": api_key,
            "radius": blast_radius_of(api_key),
            **context,
        }
        status = context.pop("status", 422 if form.is_bound else 200)
        return TemplateResponse(
            request, f"admin/apikeys/apikey/{template}.html", context, status=status
        )
