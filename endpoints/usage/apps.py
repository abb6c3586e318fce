"""The app that counts what goes through the gateway."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "endpoints.usage"
    label = "usage"

    def ready(self) -> None:
        from endpoints import traffic

        from . import panels
        from .recent import RecordedTraffic

        traffic.register(RecordedTraffic())
        panels.register_panels()
