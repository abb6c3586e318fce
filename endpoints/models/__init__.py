"""What is stored of endpoints, of who may call them, and of how they were used."""

from .endpoint import NAME_TAKEN, RESERVED_NAMES, Endpoint, EndpointQuerySet
from .gateway_token import GatewayToken
from .route import Route
from .usage import ALL_TIME, UsageBucket

__all__ = [
    "ALL_TIME",
    "NAME_TAKEN",
    "RESERVED_NAMES",
    "Endpoint",
    "EndpointQuerySet",
    "GatewayToken",
    "Route",
    "UsageBucket",
]
