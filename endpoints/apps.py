"""Endpoints, their routes and gateway tokens."""

from django.apps import AppConfig


class EndpointsConfig(AppConfig):
    name = "endpoints"

    def ready(self) -> None:
        from apikeys import blast_radius

        from .services import KeyDependents

        blast_radius.register(KeyDependents())
