"""Endpoints, with their routes on the same page."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from apikeys.admin.base import RevisedAdmin, actor, names_only
from apikeys.admin.fields import ForeignKeysByAutocomplete
from apikeys.admin.forms import RevisedForm
from apikeys.models import Event
from apikeys.services import lock_keys
from endpoints import services
from endpoints.models import Endpoint, Route
from endpoints.services.routes import MOST_ROUTES, check_routes


class EndpointForm(RevisedForm):
    class Meta:
        model = Endpoint
        fields = ("name", "enabled", "description")


class RouteForm(forms.ModelForm):
    weight = forms.IntegerField(
        min_value=0, max_value=100, initial=100, help_text="Share of the traffic, in percent."
    )


class RoutesFormSet(BaseInlineFormSet):
    """All routes of an endpoint, which have to make sense together."""

    def clean(self) -> None:
        super().clean()
        kept = [form for form in self.forms if not self._should_delete_form(form)]
        if any(form.errors for form in kept):
            return
        try:
            check_routes([form.instance for form in kept if form.instance.pk or form.has_changed()])
        except ValidationError as error:
            raise ValidationError(error.messages) from None


class RouteInline(ForeignKeysByAutocomplete, admin.TabularInline):
    """Routes are part of their endpoint: who may change it may change them."""

    model = Route
    form = RouteForm
    formset = RoutesFormSet
    fields = ("kind", "position", "api_key", "model", "weight")
    autocomplete_fields = ("api_key",)
    extra = 0
    min_num = 1
    max_num = MOST_ROUTES

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        return super().get_queryset(request).select_related("api_key")

    def get_formset(self, request: HttpRequest, obj: Endpoint | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, validate_min=True, **kwargs)
        key_field = formset.form.base_fields.get("api_key")
        if key_field is not None:  # its own pages do these, and close no pop-up
            key_field.widget.can_add_related = key_field.widget.can_change_related = False
        return formset

    def has_add_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        return request.user.has_perm(f"endpoints.{'change' if obj else 'add'}_endpoint")

    def has_change_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        return request.user.has_perm("endpoints.change_endpoint")

    def has_delete_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        return request.user.has_perm("endpoints.change_endpoint")

    def has_view_permission(self, request: HttpRequest, obj: Endpoint | None = None) -> bool:
        may_view = request.user.has_perm("endpoints.view_endpoint")
        return may_view or self.has_change_permission(request)


class StateFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return Endpoint.State.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Endpoint]:
        return queryset.in_state(self.value() or "")


@admin.register(Endpoint)
class EndpointAdmin(RevisedAdmin):
    form = EndpointForm
    list_display = (
        "name",
        "status",
        "models",
        "api_keys",
        "updated_at",
        "created_at",
        "created_by",
    )
    list_filter = (StateFilter,)
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = "Search by name."
    ordering = ("name",)
    readonly_fields = ("updated_at", "created_at", "created_by")
    fields = ("name", "enabled", "description", *readonly_fields)
    inlines = (RouteInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return super().get_queryset(request).with_routes()

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Endpoint], bool]:
        return queryset.search(search_term), False

    @admin.display
    def status(self, endpoint: Endpoint) -> str:
        return endpoint.state().label

    @admin.display
    def models(self, endpoint: Endpoint) -> str:
        return ", ".join(dict.fromkeys(route.model for route in endpoint.routes.all()))

    @admin.display(description="API keys")
    def api_keys(self, endpoint: Endpoint) -> str:
        names = (str(route.api_key) for route in endpoint.routes.all() if route.api_key)
        return ", ".join(dict.fromkeys(names))

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = actor(request).name
            obj.save(force_insert=True)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save what is left to save, and write the one event of the act."""
        endpoint, by = form.instance, actor(request)
        routes = ["routes"] if any(formset.has_changed() for formset in formsets) else []
        form.saved_names = [*(form.changed_names if change else services.DETAILS), *routes]
        if not form.saved_names:
            return
        with transaction.atomic():
            lock_keys(*_keys_of(endpoint, formsets))
            if change:
                services.save_details(endpoint, rev=form.cleaned_data["revision"])
            super().save_related(request, form, formsets, change)
            Event.record(by, "edited" if change else "created", endpoint, fields=form.saved_names)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        return [{"added": {}}] if add else names_only(form.saved_names)

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        """The confirmation page has been answered; that is confirmation enough."""
        services.delete_endpoint(obj, by=actor(request), rev=obj.rev, confirmation=obj.name)


def _keys_of(endpoint: Endpoint, formsets: Any) -> set[UUID | None]:
    """The keys of the routes, as they are stored and as they will be."""
    typed = {form.instance.api_key_id for formset in formsets for form in formset.forms}
    return typed | set(endpoint.routes.values_list("api_key", flat=True))
