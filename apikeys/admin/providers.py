"""Providers: those that come with Gatehouse, and own ones in one form."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from apikeys.catalogue.formats import FORMATS
from apikeys.models import ApiKey, AuthScheme, Provider
from apikeys.models.naming import same_name_key
from apikeys.services import providers as services

from .base import actor
from .declarations import DeclarationAdmin
from .fields import NamesField

NO_SCHEME = (
    "Without a base URL it got no auth scheme, and cannot be used. "
    '<a href="{}">Add an auth scheme</a>.'
)


class ProviderForm(forms.ModelForm):
    """An own provider. With a base URL it can be used at once."""

    aliases = NamesField(
        required=False,
        max_length=500,
        help_text="Other names to find it by, with commas in between.",
    )

    def clean_base_url(self) -> str:
        url = self.cleaned_data["base_url"]
        return FORMATS["https_url"](url, []) if url else ""

    def clean(self) -> dict[str, Any]:
        """People type a provider's name: no two may be called the same."""
        data = super().clean()
        for field in ("name", "slug", "aliases"):
            value = data.get(field) or ()
            called = {
                same_name_key(text) for text in ([value] if isinstance(value, str) else value)
            }
            if other := next((p for p in self._others() if called & _names(p)), None):
                self.add_error(field, f"{other} already goes by this name.")
        return data

    def _others(self) -> QuerySet[Provider]:
        return Provider.objects.exclude(pk=self.instance.pk)


def _names(provider: Provider) -> set[str]:
    return {same_name_key(text) for text in (provider.name, provider.slug, *provider.aliases)}


class SchemeInline(admin.TabularInline):
    """The ways of authenticating, each with a link to its own page."""

    model = AuthScheme
    fields = readonly_fields = ("name", "slug", "asks_for")
    extra = 0
    show_change_link = True
    can_delete = False
    verbose_name_plural = "auth schemes"

    @admin.display(description="asks for")
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
    fields = ("name", "slug", "group", "position", "base_url", "aliases", "used_by")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (SchemeInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                scheme_count=Count("schemes", distinct=True),
                key_count=Count("schemes__api_keys", distinct=True),
            )
            .order_by("position", "name")
        )

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
            services.update_provider(obj, by=actor(request), changed=form.changed_data)
        elif scheme := services.create_provider(obj, by=actor(request)):
            text = "It asks for an API key and sends it as a bearer token ({})."
            messages.info(request, text.format(scheme))
        else:
            url = f"{reverse('admin:apikeys_authscheme_add')}?provider={obj.pk}"
            messages.warning(request, format_html(NO_SCHEME, url))

    def keys_of(self, declaration: Provider) -> QuerySet[ApiKey]:
        return ApiKey.objects.filter(scheme__provider=declaration)

    @admin.display(description="auth schemes")
    def scheme_count(self, provider: Provider) -> int:
        return provider.scheme_count
