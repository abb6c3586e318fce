"""What providers and auth schemes have in common: built-in ones are read-only."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apikeys.models import ApiKey
from apikeys.services import providers as services
from gatewayproject.accounts.admin.audited import RevisedAdmin, actor
from gatewayproject.accounts.admin.forms import MergedModelForm
from gatewayproject.accounts.forms.merge import BaseField

SHOWN = 20


class DeclarationForm(MergedModelForm):
    """For a row that has no ``rev``."""

    seen = forms.CharField(widget=forms.HiddenInput, max_length=16, required=False)
    base = BaseField()

    revision_input = "seen"

    def stored_revision(self) -> str:
        return services.digest_of(self.instance)


class DeclarationAdmin(RevisedAdmin):
    """Built-in rows are read-only, because ``sync_providers`` would undo any change."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.built_in)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.built_in)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.delete_declaration(obj, by=actor(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List the keys that prevent it, up to a limit."""
        keys = self.keys_of(objs[0])
        if names := list(keys.order_by("name_key").values_list("name", flat=True)[: SHOWN + 1]):
            more = [f"and {keys.count() - SHOWN} more"] if len(names) > SHOWN else []
            return [], {}, set(), [f"API key: {name}" for name in names[:SHOWN]] + more
        return super().get_deleted_objects(objs, request)

    def keys_of(self, declaration: Any) -> QuerySet[ApiKey]:
        raise NotImplementedError

    @admin.display(description="API keys")
    def key_count(self, declaration: Any) -> int:
        return int(declaration.key_count)  # the list has counted them

    @admin.display(description="API keys using it")
    def used_by(self, declaration: Any) -> int:
        return self.keys_of(declaration).count()

    @admin.display(description="built in", boolean=True, ordering="built_in")
    def is_built_in(self, declaration: Any) -> bool:
        return bool(declaration.built_in)
