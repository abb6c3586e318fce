"""The group that may manage keys without being a superuser."""

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
    """Make the group with its permissions.

    Where there is one, what an operator changed stays: it gets only the permissions for what this
    ``plan`` of migrations has just made.
    """
    try:
        groups = apps.get_model("auth", "Group").objects.using(using)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
    except LookupError:  # a migration that stops before there are accounts
        return
    group = groups.filter(name=KEY_MANAGERS).first()
    wanted = _made_by(plan) if group else MANAGED
    granted = [
        permission
        for app, models in wanted.items()
        for permission in permissions.filter(
            content_type__app_label=app, content_type__model__in=models
        )
    ]
    if granted:
        (group or groups.create(name=KEY_MANAGERS)).permissions.add(*granted)


def _made_by(plan: Plan) -> dict[str, list[str]]:
    """Return the managed models that the migrations of ``plan`` create."""
    made = {
        (migration.app_label, operation.name_lower)
        for migration, is_backwards in plan
        for operation in migration.operations
        if isinstance(operation, CreateModel) and not is_backwards
    }
    return {
        app: [model for model in models if (app, model) in made] for app, models in MANAGED.items()
    }
