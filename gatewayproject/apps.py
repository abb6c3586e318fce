"""The project's own commands and template tags, and the admin site under our own name."""

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate

from gatewayproject.groups import create_key_managers


class GatewayProjectConfig(AppConfig):
    name = "gatewayproject"
    default = True

    def ready(self) -> None:
        # The last app with models: by then the permissions of all of them are there.
        post_migrate.connect(create_key_managers, sender=apps.get_app_config("endpoints"))


class GatewayAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "gatewayproject.admin_site.GatewayAdminSite"
