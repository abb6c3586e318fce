"""The group that may manage keys without being a superuser."""

from typing import Any

from django.apps import apps as installed_apps
from django.apps.registry import Apps

KEY_MANAGERS = "Key managers"
MANAGED = {"apikeys": ["apikey"], "endpoints": ["endpoint", "route"]}


def create_key_managers(using: str, apps: Apps = installed_apps, **kwargs: Any) -> None:
    """Make the group with its permissions, unless there is one: what an operator changed stays."""
    try:
        groups = apps.get_model("auth", "Group").objects.using(using)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
    except LookupError:  # a migration that stops before there are accounts
        return
    if groups.filter(name=KEY_MANAGERS).exists():
        return
    granted = [
        permission
        for app, models in MANAGED.items()
        for permission in permissions.filter(
            content_type__app_label=app, content_type__model__in=models
        )
    ]
    if granted:
        groups.create(name=KEY_MANAGERS).permissions.set(granted)
