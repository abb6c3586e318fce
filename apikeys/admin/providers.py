"""Providers: those that come with Gatehouse, and own ones in one form."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from apikeys.catalogue.formats import FORMATS
from apikeys.models import ApiKey, AuthScheme, Provider
from apikeys.services import providers as services
from gatewayproject.accounts.admin.audited import actor
from gatewayproject.console.admin_fields import NamesField, StrictJSONField
from gatewayproject.console.naming import folded

from .declarations import DeclarationAdmin, DeclarationForm

NO_SCHEME = (
    "This provider has no base URL, so it has no authentication method and cannot be used yet. "
    '<a href="{}">Add an authentication method</a>.'
)


if TYPE_CHECKING:
    Inline = admin.StackedInline[AuthScheme, Provider]
else:  # generic only for type checkers
    Inline = admin.StackedInline


class ProviderForm(DeclarationForm):
    """An own provider. With a base URL it can be used at once."""

    aliases = NamesField(
        required=False,
        max_length=500,
        help_text="Other names to find it by, separated by commas.",
    )

    def clean_base_url(self) -> str:
        url = self.cleaned_data["base_url"]
        return FORMATS["https_url"](url).value if url else ""

    def clean(self) -> dict[str, Any]:
        """Refuse names that another provider has, because users type them."""
        super().clean()
        data: dict[str, Any] = self.cleaned_data
        for field in ("name", "slug", "aliases"):
            value = data.get(field) or ()
            called = {folded(text) for text in ([value] if isinstance(value, str) else value)}
            for other in Provider.objects.exclude(pk=self.instance.pk):
                if called.intersection(map(folded, other.names())):
                    self.add_error(field, f"{other} already uses this name.")
                    break
        return data


class SchemeInline(Inline):
    """The authentication methods, each with a link to its own page."""

    model = AuthScheme
    fields = readonly_fields = ("name", "slug", "asks_for")
    extra = 0
    show_change_link = True
    can_delete = False
    verbose_name_plural = "authentication methods"

    @admin.display(description="fields")
    def asks_for(self, scheme: AuthScheme) -> str:
        return ", ".join(spec.label for spec in scheme.specs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Provider)
class ProviderAdmin(DeclarationAdmin):
    form = ProviderForm
    list_display = ("name", "slug", "group", "base_url", "is_built_in", "scheme_count", "key_count")
    list_filter = ("built_in", "group")
    search_fields = ("name", "slug")
    list_per_page = 100
    fields = (
        "name",
        "slug",
        "group",
        "position",
        "base_url",
        "keys_url",
        "revoke_url",
        "aliases",
        "used_by",
    )
    prepopulated_fields = {"slug": ("name",)}
    inlines = (SchemeInline,)
    formfield_overrides = {models.JSONField: {"form_class": StrictJSONField}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return Provider.objects.annotate(
            scheme_count=Count("schemes", distinct=True),
            key_count=Count("schemes__api_keys", distinct=True),
        ).order_by("position", "name")

    def get_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        """Show the facts where they are malformed, so that they can be repaired."""
        return self.fields if obj is None or obj.has_facts() else (*self.fields, "facts")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> tuple[str, ...]:
        return ("used_by",) if obj is None else ("used_by", "slug")

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def get_inlines(self, request: HttpRequest, obj: Provider | None) -> tuple[type, ...]:
        return self.inlines if obj is not None else ()

    def save_model(
        self, request: HttpRequest, obj: Provider, form: ProviderForm, change: bool
    ) -> None:
        if change:
            services.update_provider(
                obj, by=actor(request), changed=form.changed_names, seen=form.cleaned_data["seen"]
            )
        elif scheme := services.create_provider(obj, by=actor(request)):
            text = "Keys of this provider are sent as a bearer token ({})."
            messages.info(request, text.format(scheme))
        else:
            url = f"{reverse('admin:apikeys_authscheme_add')}?provider={obj.pk}"
            messages.warning(request, format_html(NO_SCHEME, url))

    def keys_of(self, declaration: Provider) -> QuerySet[ApiKey]:
        return ApiKey.objects.filter(scheme__provider=declaration)

    @admin.display(description="authentication methods")
    def scheme_count(self, provider: Any) -> int:
        return int(provider.scheme_count)
