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

from endpoints import services
from endpoints.forms.named_endpoints import NamedEndpointsField
from endpoints.models import GatewayToken
from endpoints.services.token_summaries import TokenFacts
from gatewayproject.accounts.admin.audited import RevisedAdmin, actor, names_only
from gatewayproject.accounts.admin.forms import MergedModelForm
from gatewayproject.accounts.forms.merge import BaseField
from gatewayproject.console.conflict import Conflict
from gatewayproject.console.wording import counted


class TokenAdminForm(MergedModelForm):
    endpoints = NamedEndpointsField(
        widget=forms.Textarea({"rows": 3, "class": "vLargeTextField", "spellcheck": "false"}),
        help_text="Endpoint names, separated by commas. Leave empty for all endpoints.",
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)
    base = BaseField()

    revision_input = "seen"

    class Meta:
        model = GatewayToken
        fields = ("name", "all_endpoints", "endpoints", "expires_at")

    def __init__(self, *args: Any, instance: GatewayToken, **kwargs: Any) -> None:
        names = instance.endpoints.order_by("name").values_list("name", flat=True)
        initial = {"endpoints": ", ".join(names), **(kwargs.pop("initial", None) or {})}
        super().__init__(*args, instance=instance, initial=initial, **kwargs)

    def stored_revision(self) -> str:
        return services.digest_of_details(self.instance)

    def _post_clean(self) -> None:
        """Check the token as a whole, as the service will."""
        super()._post_clean()  # type: ignore[misc]  # private, so not in the stubs
        if self.errors:
            return
        stored = GatewayToken.objects.get(pk=self.instance.pk)
        try:
            services.check_token(self.instance, self.cleaned_data["endpoints"], stored=stored)
        except ValidationError as error:
            self.add_error(None, error)


class TokenStateFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return GatewayToken.State.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[GatewayToken]:
        found: QuerySet[GatewayToken] = queryset.in_state(self.value() or "")
        return found


@admin.register(GatewayToken)
class TokenAdmin(RevisedAdmin):
    form = TokenAdminForm
    list_display = (
        *("name", "prefix", "purpose", "reaches", "status"),
        *("last_used", "expires_at", "created_at", "created_by"),
    )
    list_filter = (TokenStateFilter, "purpose")
    list_per_page = 50
    search_fields = ("name",)
    search_help_text = "Search by name."
    ordering = ("name_key",)
    readonly_fields = ("prefix", "purpose", "status", "revoked_at", "created_at", "created_by")
    fields = ("name", "all_endpoints", "endpoints", "expires_at", *readonly_fields)
    actions = ("revoke",)  # type: ignore[assignment]  # the base has none

    # --- The list

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[GatewayToken], bool]:
        return queryset.search(search_term), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look up the facts of all tokens on this page at once."""
        changelist = super().get_changelist_instance(request)
        for facts in services.facts_about(changelist.result_list):
            facts.token.facts = facts  # type: ignore[attr-defined]  # for the columns below
        return changelist

    @admin.display
    def status(self, token: GatewayToken) -> str:
        return token.state().label

    @admin.display
    def reaches(self, token: GatewayToken) -> str:
        if token.all_endpoints:
            return "All endpoints"
        names = ", ".join(endpoint.name for endpoint in _facts(token).endpoints)
        return names or counted(_facts(token).endpoint_count, "endpoint")

    @admin.display(empty_value="Never")
    def last_used(self, token: GatewayToken) -> datetime | None:
        return _facts(token).last_used

    @admin.action(permissions=["change"], description="Revoke selected gateway tokens")
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
        messages.success(request, f"Revoked {', '.join(revoked) or 'nothing: already revoked'}.")
        return None

    def _revoke(self, request: HttpRequest, token: GatewayToken) -> bool:
        try:
            with transaction.atomic():
                if services.revoke_token(token, by=actor(request)):
                    self.log_change(request, token, names_only(["revoked_at"]))
                    return True
        except Conflict:  # it was deleted concurrently
            pass
        return False

    def response_action(  # type: ignore[override]  # the stubs are those of a later Django
        self, request: HttpRequest, queryset: QuerySet[GatewayToken]
    ) -> HttpResponse | None:
        """Django's own fails if a posted value cannot be a primary key."""
        for pk in request.POST.getlist("_selected_action"):
            if not (pk.isdecimal() and len(pk) < 19):
                raise BadRequest("Enter a valid ID.")
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


def _facts(token: GatewayToken) -> TokenFacts:
    """Return the facts that ``get_changelist_instance`` looked up."""
    facts: TokenFacts = token.facts  # type: ignore[attr-defined]  # see there
    return facts
