"""Endpoints, their routes, gateway tokens, usage, and the gateway itself."""

from django.apps import AppConfig


class EndpointsConfig(AppConfig):
    name = "endpoints"

    def ready(self) -> None:
        from apikeys import checks, dependents
        from endpoints.gateway.checking import GatewayChecker
        from endpoints.services import KeyDependents

        dependents.register(KeyDependents())
        checks.register(GatewayChecker())
