"""Endpoints, their routes, and in time the gateway itself."""

from django.apps import AppConfig


class EndpointsConfig(AppConfig):
    name = "endpoints"

    def ready(self) -> None:
        from apikeys import dependents
        from endpoints.services import KeyDependents

        dependents.register(KeyDependents())
