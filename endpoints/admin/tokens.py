"""Gateway tokens: to look at, edit and revoke. They are made where they can be shown once."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from apikeys.admin.base import AuditedAdmin, actor, changed_since, names_only
from apikeys.services import Conflict
from endpoints import services
from endpoints.forms.named_endpoints import NamedEndpointsField
from endpoints.models import GatewayToken


class TokenForm(forms.ModelForm):
    """Notices when somebody else saved first, and keeps what was typed."""

    endpoints = NamedEndpointsField(
        widget=forms.Textarea({"rows": 3, "class": "vLargeTextField", "spellcheck": "false"}),
        help_text="Their names, with commas between them. Empty where every endpoint is allowed.",
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)

    class Meta:
        model = GatewayToken
        fields = ("name", "all_endpoints", "endpoints", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = self.instance.endpoints.order_by("name").values_list("name", flat=True)
        self.initial["endpoints"] = ", ".join(names)
        self.initial["seen"] = services.digest_of_details(self.instance)

    def _post_clean(self) -> None:
        """Check the token as a whole, as the service will."""
        super()._post_clean()
        stored = GatewayToken.objects.get(pk=self.instance.pk)
        digest = services.digest_of_details(stored)
        if self.cleaned_data.get("seen") != digest:
            self.data = self.data.copy()
            self.data["seen"] = digest
            self.add_error(None, ValidationError(changed_since(stored), code="conflict"))
        if self.errors:
            return
        try:
            services.check_token(self.instance, self.cleaned_data["endpoints"], stored=stored)
        except ValidationError as error:
            self.add_error(None, error)


class StateFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return GatewayToken.State.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[GatewayToken]:
        return queryset.in_state(self.value() or "")


@admin.register(GatewayToken)
class TokenAdmin(AuditedAdmin):
    form = TokenForm
    list_display = (
        *("name", "prefix", "purpose", "reaches", "status"),
        *("last_used", "expires_at", "created_at", "created_by"),
    )
    list_filter = (StateFilter, "purpose")
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = "Search by name."
    ordering = ("name_key",)
    readonly_fields = ("prefix", "purpose", "status", "revoked_at", "created_at", "created_by")
    fields = ("name", "all_endpoints", "endpoints", "expires_at", *readonly_fields)
    actions = ("revoke",)

    # --- The list

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[GatewayToken], bool]:
        return queryset.search(search_term), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look up what else is told of the tokens on this page, all at once."""
        changelist = super().get_changelist_instance(request)
        for facts in services.facts_about(changelist.result_list):
            facts.token.facts = facts
        return changelist

    @admin.display
    def status(self, token: GatewayToken) -> str:
        return token.state().label

    @admin.display
    def reaches(self, token: GatewayToken) -> str:
        if token.all_endpoints:
            return "Every endpoint"
        names = ", ".join(endpoint.name for endpoint in token.facts.endpoints)
        return names or f"{token.facts.endpoint_count} endpoints"

    @admin.display(empty_value="Never")
    def last_used(self, token: GatewayToken) -> datetime | None:
        return token.facts.last_used

    @admin.action(permissions=["change"], description="Revoke the chosen gateway tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[GatewayToken]) -> HttpResponse | None:
        tokens = list(queryset)
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Revoke",
                "tokens": tokens,
            }
            return TemplateResponse(request, "admin/endpoints/gatewaytoken/revoke.html", context)
        revoked = [str(token) for token in tokens if self._revoke(request, token)]
        messages.success(
            request, f"Revoked {', '.join(revoked) or 'nothing: it was done already'}."
        )
        return None

    def _revoke(self, request: HttpRequest, token: GatewayToken) -> bool:
        try:
            with transaction.atomic():
                if services.revoke_token(token, by=actor(request)):
                    self.log_change(request, token, names_only(["revoked_at"]))
                    return True
        except Conflict:  # it was deleted in the meantime
            pass
        return False

    def response_action(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Django's own fails where what was posted cannot be a primary key."""
        for pk in request.POST.getlist("_selected_action"):
            if not (pk.isdecimal() and len(pk) < 19):
                raise BadRequest("This is no token.")
        return super().response_action(request, queryset)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        return {name: action for name, action in actions.items() if name != "delete_selected"}

    # --- One token

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A new token is shown once: the product's own page does that, and the command."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect("endpoints:token_new")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        (title, options), *others = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            options = {**options, "fields": (*options["fields"], "seen")}
        return [(title, options), *others]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_final = obj is not None and obj.state() == GatewayToken.State.REVOKED
        return super().has_change_permission(request, obj) and not is_final

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_active = obj is not None and obj.state() == GatewayToken.State.ACTIVE
        return super().has_delete_permission(request, obj) and not is_active

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        data = form.cleaned_data
        form.saved_names = services.update_token(
            obj, data["endpoints"], by=actor(request), seen=data["seen"]
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The service has saved the endpoints as well."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        return names_only(form.saved_names)

    def delete_model(self, request: HttpRequest, obj: GatewayToken) -> None:
        services.delete_token(obj, by=actor(request))
