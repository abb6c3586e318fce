"""API keys: details to edit, credentials as a summary with a page of their own."""

from typing import Any
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

from apikeys import dependents, services
from apikeys.forms import DeleteApiKeyForm
from apikeys.models import ApiKey
from apikeys.pages import posted

from .base import RevisedAdmin, actor, names_only
from .columns import ApiKeyColumns, StatusFilter
from .forms import ApiKeyDetailsForm, CredentialsForm

LIST = "admin:apikeys_apikey_changelist"
CHANGED = "What depends on this key changed in the meantime."


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
    search_help_text = "Search by name."
    ordering = ("name_key",)
    fieldsets = (
        (None, {"fields": ("name", "environment", "team", "description")}),
        ("How it is used", {"fields": ("scheme", "credentials", "configuration", "used_by")}),
        ("Rotation", {"fields": ("status", "rotate_every_days", "expires_at")}),
        ("When", {"fields": ("last_updated", "created", "created_by")}),
    )
    readonly_fields = (
        *("scheme", "credentials", "configuration", "used_by", "status"),
        *("last_updated", "created", "created_by"),
    )

    # --- The list

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiKey], search_term: str
    ) -> tuple[QuerySet[ApiKey], bool]:
        return queryset.search(search_term), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count endpoints for the keys on this page, in one query."""
        changelist = super().get_changelist_instance(request)
        counts = dependents.registry().counts([key.pk for key in changelist.result_list])
        for key in changelist.result_list:
            key.endpoint_count = counts.get(key.pk, 0)
        return changelist

    # --- One key

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Which inputs there are depends on the provider: the product's own page knows."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect("apikeys:new")

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: ApiKeyDetailsForm, change: bool
    ) -> None:
        form.saved_names = services.update_api_key(
            obj, by=actor(request), rev=form.cleaned_data["revision"]
        )
        _tell(request, obj)

    def construct_change_message(
        self, request: HttpRequest, form: ApiKeyDetailsForm, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        return names_only(form.saved_names)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.credentials_view)
        return [
            path("<uuid:pk>/credentials/", view, name="apikeys_apikey_credentials"),
            *super().get_urls(),
        ]

    def credentials_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Replace credentials. They come in and never go out."""
        api_key = get_object_or_404(ApiKey.objects.with_details(), pk=pk)
        if not self.has_change_permission(request, api_key):
            raise PermissionDenied
        form = CredentialsForm(posted(request), api_key=api_key)
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic():
                    changed = services.update_api_key(
                        api_key,
                        by=actor(request),
                        rev=form.cleaned_data.get("rev") or 0,
                        remove=form.removed,
                    )
                    self.log_change(request, api_key, names_only(changed))
            except ValidationError as error:
                form.show(error)
            except services.Conflict:
                form.begin_again(get_object_or_404(ApiKey, pk=pk))
            else:
                done = "Replaced credentials" if changed else "Nothing was changed"
                messages.success(request, f"{done}: {api_key.name}.")
                _tell(request, api_key)
                return redirect("admin:apikeys_apikey_change", api_key.pk)
        title = f"Replace credentials: {api_key.name}"
        return self._page(request, "credentials", api_key, form, title=title, subtitle=None)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what depends on the key, offer a replacement, and go through the service."""
        api_key = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, api_key):
            raise PermissionDenied
        if api_key is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        radius = api_key.blast_radius()
        typed = request.POST.get("replacement", "")
        form = DeleteApiKeyForm(posted(request), api_key=api_key, radius=radius, typed=typed)
        if request.method == "POST" and form.is_valid():
            try:
                self._delete(request, api_key, form)
            except ValidationError as error:
                form.show(error)
            except services.Conflict:
                messages.error(request, f"{CHANGED} Nothing was deleted: look again.")
                return redirect("admin:apikeys_apikey_delete", api_key.pk)
            else:
                messages.success(request, f"Deleted {api_key.name}.")
                return redirect(LIST)
        return self._page(
            request, "delete_confirmation", api_key, form, title="Delete", radius=radius
        )

    def _delete(self, request: HttpRequest, api_key: ApiKey, form: DeleteApiKeyForm) -> None:
        data = form.cleaned_data
        with transaction.atomic():
            self.log_deletions(request, [api_key])
            services.delete_api_key(
                api_key,
                by=actor(request),
                seen=data["seen"],
                replacement=data.get("replacement"),
                confirmation=data.get("confirmation", ""),
            )

    def _page(
        self, request: HttpRequest, template: str, api_key: ApiKey, form: Any, **context: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "original": api_key,
            "radius": api_key.blast_radius(),
            **context,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(
            request, f"admin/apikeys/apikey/{template}.html", context, status=status
        )


def _tell(request: HttpRequest, api_key: ApiKey) -> None:
    for note in api_key.notes:
        messages.info(request, note)
