"""Routes as pages show them: in short in a list, in full on the endpoint's own page."""

from dataclasses import dataclass

from apikeys.models import ApiKey
from endpoints.models import Endpoint, OpenCircuit, Route
from endpoints.services.health import Health, Trouble
from endpoints.services.open_circuits import open_circuits_of
from endpoints.services.routes import ALL_TRAFFIC, primaries, titled, weight_of

IN_SHORT = 2  # different models, and different keys


@dataclass(frozen=True)
class RoutesInShort:
    models: list[str]
    more_models: int
    keys: list[ApiKey]
    more_keys: int

    @classmethod
    def of(cls, endpoint: Endpoint) -> "RoutesInShort":
        routes = endpoint.routes.all()
        models = list(dict.fromkeys(route.model for route in routes))
        keys = list(dict.fromkeys(route.api_key for route in routes if route.api_key))
        return cls(models[:IN_SHORT], len(models[IN_SHORT:]), keys[:IN_SHORT], len(keys[IN_SHORT:]))


@dataclass(frozen=True)
class RoutesInFull:
    titled: list[tuple[str, Route, Trouble | None, OpenCircuit | None]]
    weight_sum: int
    is_shared: bool

    @classmethod
    def of(cls, endpoint: Endpoint, health: Health) -> "RoutesInFull":
        routes = list(endpoint.routes.all())
        circuits = open_circuits_of(routes)
        rows = [
            (title, route, health.troubles.get(route.pk), circuits.get(route.pk))
            for title, route in titled(routes)
        ]
        return cls(rows, weight_of(routes), len(primaries(routes)) > 1)

    @property
    def adds_up(self) -> bool:
        """Whether the weights are percentages. Others serve too, as proportions."""
        return self.weight_sum == ALL_TRAFFIC or not self.is_shared
