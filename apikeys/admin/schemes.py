"""Auth schemes: declared as JSON, checked as a whole by the model."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from apikeys.models import ApiKey, AuthScheme
from apikeys.services import providers as services
from gatewayproject.accounts.admin.audited import actor
from gatewayproject.console.admin_fields import StrictJSONField

from .declarations import DeclarationAdmin, DeclarationForm

IN_USE = (
    "API keys that use this authentication method: {}. Credentials work only for the origins they "
    "were encrypted for. If you changed an origin, enter the credentials again."
)


@admin.register(AuthScheme)
class AuthSchemeAdmin(DeclarationAdmin):
    form = DeclarationForm
    list_display = ("name", "provider", "slug", "asks_for", "is_built_in", "key_count")
    list_display_links = ("name",)
    list_filter = ("built_in", "ambient")
    list_select_related = ("provider",)
    search_fields = ("name", "slug", "provider__name")
    list_per_page = 100
    ordering = ("provider__position", "provider__name", "position", "id")
    fields = (
        "provider",
        "name",
        "slug",
        "position",
        "ambient",
        "fields",
        "transport",
        "verify",
        "used_by",
    )
    autocomplete_fields = ("provider",)
    prepopulated_fields = {"slug": ("name",)}
    formfield_overrides = {
        models.JSONField: {"form_class": StrictJSONField, "show_hidden_initial": False}
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuthScheme]:
        return AuthScheme.objects.annotate(key_count=Count("api_keys")).order_by(*self.ordering)

    def get_readonly_fields(
        self, request: HttpRequest, obj: AuthScheme | None = None
    ) -> tuple[str, ...]:
        return ("used_by",) if obj is None else ("used_by", "provider", "slug")

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: AuthScheme | None = None
    ) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def save_model(self, request: HttpRequest, obj: AuthScheme, form: Any, change: bool) -> None:
        services.save_declaration(
            obj, by=actor(request), changed=form.changed_names, seen=form.cleaned_data["seen"]
        )
        declared_anew = {"fields", "transport", "verify"} & set(form.changed_names)
        if change and declared_anew and (count := self.used_by(obj)):
            messages.warning(request, IN_USE.format(count))

    def keys_of(self, declaration: AuthScheme) -> QuerySet[ApiKey]:
        return ApiKey.objects.filter(scheme=declaration)

    @admin.display(description="fields")
    def asks_for(self, scheme: AuthScheme) -> str:
        return ", ".join(spec.label for spec in scheme.specs)
