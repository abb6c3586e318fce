"""Endpoints, with their routes on the same page."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet, inlineformset_factory
from django.http import HttpRequest

from apikeys.models import ApiKey
from endpoints import services
from endpoints.forms.routes import CheckedFormSet
from endpoints.models import Endpoint, Route
from endpoints.services.health import Health, health_of, in_state
from endpoints.services.routes import MOST_ROUTES
from gatewayproject.accounts.admin.audited import RevisedAdmin, actor, names_only
from gatewayproject.accounts.admin.forms import RevisedForm
from gatewayproject.accounts.forms.units import Unit, unit_of
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.admin_fields import ForeignKeysByAutocomplete

COMPARED = ("id", "kind", "position", "api_key", "model", "weight")  # of each route
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class RouteInlineFormSet(CheckedFormSet, BaseInlineFormSet):  # type: ignore[type-arg]  # in stubs only
    """The routes of an endpoint in its inline."""


class EndpointAdminForm(RevisedForm):
    class Meta:
        model = Endpoint
        fields = ("name", "enabled", "sticky", "description")

    def units(self) -> dict[str, Unit]:
        """Return the inputs, and the routes of the inline as a whole."""
        routes = inlineformset_factory(Endpoint, Route, fields=COMPARED[1:], extra=0)
        formset = routes(self.data if self.is_bound else None, instance=self.instance)
        rows: list[dict[str, str]] = []
        inputs: dict[str, list[str]] = {}
        for form in formset.forms:
            units = {name: unit_of(form, name) for name in form.fields}
            for unit in units.values():
                inputs |= unit.inputs
            if units["model"].value and not units["DELETE"].value:
                rows.append({name: units[name].value or "" for name in COMPARED})
        for name in formset.management_form.fields:
            inputs |= unit_of(formset.management_form, name).inputs
        # The inline posts what was entered; what is stored has to take its place.
        return {**super().units(), "routes": _routes(rows, {} if self.is_bound else inputs)}


def _routes(rows: list[dict[str, str]], inputs: dict[str, list[str]]) -> Unit:
    ids = [row["api_key"] for row in rows if _UUID.fullmatch(row["api_key"])]
    found = ApiKey.objects.filter(pk__in=ids).values_list("pk", "name")
    names = {str(pk): name for pk, name in found}
    lines = [
        f"{row['kind'].capitalize()}: {row['model']} · "
        f"{names.get(row['api_key'], 'no key')} · {row['weight']}%"
        for row in rows
    ]
    compared = sorted("|".join(row.values()) for row in rows)
    return Unit("Routes", "\n".join(compared), "\n".join(lines), inputs)


class RouteInlineForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    weight = forms.IntegerField(
        min_value=0, max_value=100, initial=100, help_text="Share of requests, in percent."
    )


class RouteInline(ForeignKeysByAutocomplete, admin.StackedInline):  # type: ignore[type-arg]  # in stubs only
    """Routes are part of their endpoint: its permissions apply to them."""

    model = Route
    form = RouteInlineForm
    formset = RouteInlineFormSet
    fields = (("kind", "position", "weight"), "api_key", "model")
    autocomplete_fields = ("api_key",)
    extra = 0
    min_num = 1
    max_num = MOST_ROUTES

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        return super().get_queryset(request).select_related("api_key")

    def get_formset(self, request: HttpRequest, obj: Endpoint | None = None, **kwargs: Any) -> Any:
        most = 2 * MOST_ROUTES  # all that there are are deleted, and as many are added
        formset = super().get_formset(request, obj, validate_min=True, absolute_max=most, **kwargs)
        key_field = formset.form.base_fields.get("api_key")
        if key_field is not None:  # its own pages do these, and close no pop-up
            for act in ("add", "change", "delete"):
                setattr(key_field.widget, f"can_{act}_related", False)
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


class EndpointStateFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return Endpoint.State.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Endpoint]:
        return in_state(queryset, self.value() or "")


class EndpointChangeList(ChangeList):
    """Looks up the health of all rows of a page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        health = health_of(self.result_list)
        for endpoint in self.result_list:
            endpoint.health = health[endpoint.pk]  # for ``EndpointAdmin.status``


@admin.register(Endpoint)
class EndpointAdmin(RevisedAdmin):
    form = EndpointAdminForm
    list_display = (
        "name",
        "status",
        "models",
        "api_keys",
        "updated_at",
        "created_at",
        "created_by",
    )
    list_filter = (EndpointStateFilter,)
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = "Search by name."
    ordering = ("name",)
    readonly_fields = ("updated_at", "created_at", "created_by")
    fields = ("name", "enabled", "sticky", "description", *readonly_fields)
    inlines = (RouteInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        endpoints: Any = super().get_queryset(request)
        found: QuerySet[Endpoint] = endpoints.with_routes()
        return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EndpointChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Endpoint], bool]:
        return queryset.search(search_term), False

    @admin.display
    def status(self, endpoint: Endpoint) -> str:
        health: Health = endpoint.health  # type: ignore[attr-defined]  # see EndpointChangeList
        return health.state.label

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
            typed = {form.instance.api_key_id for formset in formsets for form in formset.forms}
            ApiKey.objects.lock(*typed, *endpoint.routes.values_list("api_key", flat=True))
            if change:
                services.save_details(endpoint, rev=form.cleaned_data["revision"])
            super().save_related(request, form, formsets, change)
            AuditEvent.record(
                by, "edited" if change else "created", endpoint, fields=form.saved_names
            )

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        return [{"added": {}}] if add else names_only(form.saved_names)

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        """The confirmation page has been answered; that is confirmation enough."""
        services.delete_endpoint(obj, by=actor(request), rev=obj.rev, confirmation=obj.name)
