"""Providers, API keys, sealing."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class ApiKeysConfig(AppConfig):
    name = "apikeys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from gatewayproject.accounts import event_labels

        from . import checks, panels  # noqa: F401 - registers the checks
        from .catalogue.loading import field_label

        event_labels.register("apikey", field_label)
        panels.register_panels()

        post_migrate.connect(_sync_providers, sender=self)


def _sync_providers(using: str, **kwargs: Any) -> None:
    from .services import sync_providers

    tables = connections[using].introspection.table_names()
    if using == "default" and "apikeys_apikey" in tables:  # `migrate auth` alone comes here too
        sync_providers()
