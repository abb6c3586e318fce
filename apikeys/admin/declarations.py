"""What providers and auth schemes have in common: built-in ones to read, own ones to declare."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apikeys.models import ApiKey
from apikeys.services import providers as services

from .base import AuditedAdmin, actor

SHOWN = 20


class DeclarationAdmin(AuditedAdmin):
    """What comes with Gatehouse is read-only: the next ``sync_providers`` would undo any change."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.built_in)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.built_in)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        services.delete_declaration(obj, by=actor(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the keys that are in the way, and no more of them than one can read."""
        keys = self.keys_of(objs[0])
        if names := list(keys.order_by("name_key").values_list("name", flat=True)[: SHOWN + 1]):
            more = [f"and {keys.count() - SHOWN} more"] if len(names) > SHOWN else []
            return [], {}, set(), [f"API key: {name}" for name in names[:SHOWN]] + more
        return super().get_deleted_objects(objs, request)

    def keys_of(self, declaration: Any) -> QuerySet[ApiKey]:
        raise NotImplementedError

    @admin.display(description="API keys")
    def key_count(self, declaration: Any) -> int:
        return declaration.key_count

    @admin.display(description="API keys that use it")
    def used_by(self, declaration: Any) -> int:
        return self.keys_of(declaration).count()

    @admin.display(description="built in", boolean=True, ordering="built_in")
    def is_built_in(self, declaration: Any) -> bool:
        return declaration.built_in
