"""An app, for its template tags."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "gatewayproject.console"
    label = "console"
