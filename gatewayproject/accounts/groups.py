"""The group *Key managers*, whose members manage keys without being superusers."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.db.migrations import CreateModel, Migration

KEY_MANAGERS = "Key managers"
MANAGED = {"apikeys": ["apikey"], "endpoints": ["endpoint", "route", "gatewaytoken"]}

Plan = Iterable[tuple[Migration, bool]]


def create_key_managers(
    using: str, apps: Apps = installed_apps, plan: Plan = (), **kwargs: Any
) -> None:
    """Create the group with its permissions.

    If it exists, keep what operators changed: add only the permissions for models that this
    ``plan`` of migrations has just created.
    """
    try:
        groups = apps.get_model("auth", "Group").objects.using(using)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
    except LookupError:  # migrated to a state before accounts exist
        return
    group = groups.filter(name=KEY_MANAGERS).first()
    wanted = _created_by(plan) if group else MANAGED
    granted = [
        permission
        for app, models in wanted.items()
        for permission in permissions.filter(
            content_type__app_label=app, content_type__model__in=models
        )
    ]
    if granted:
        (group or groups.create(name=KEY_MANAGERS)).permissions.add(*granted)


def _created_by(plan: Plan) -> dict[str, list[str]]:
    """Return the managed models that the migrations of ``plan`` create."""
    created = {
        (migration.app_label, operation.name_lower)
        for migration, is_backwards in plan
        for operation in migration.operations
        if isinstance(operation, CreateModel) and not is_backwards
    }
    return {
        app: [model for model in models if (app, model) in created]
        for app, models in MANAGED.items()
    }
