"""The site: it connects the apps, and replaces Django's admin site."""

from typing import TYPE_CHECKING

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.db.models.signals import post_migrate

from .accounts.groups import create_key_managers

if TYPE_CHECKING:
    from apikeys.credential_tests import ProbeResult
    from apikeys.models import ApiKey
    from apikeys.sealing import Secrets


class LazyGatewayTester:
    """The gateway's tester, imported with its HTTP client for the first test.

    Every command would otherwise start a fifth slower, and most test nothing.
    """

    def test(self, api_key: "ApiKey", secrets: "Secrets") -> "ProbeResult":
        from endpoints.gateway.probe.runner import TESTER

        return TESTER.test(api_key, secrets)


class GatewayProjectConfig(AppConfig):
    name = "gatewayproject"
    default = True

    def ready(self) -> None:
        from apikeys import credential_tests

        credential_tests.register(LazyGatewayTester())
        # The last app with models: by then, all permissions exist.
        post_migrate.connect(create_key_managers, sender=apps.get_app_config("endpoints"))


class GatewayAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "gatewayproject.admin_site.GatewayAdminSite"
