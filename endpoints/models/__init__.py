"""Endpoints, their routes, gateway tokens, and what they created at providers."""

from .endpoint import RESERVED_NAMES, Endpoint, EndpointQuerySet
from .gateway_token import GatewayToken
from .open_circuit import OpenCircuit
from .route import Route
from .stored_object import StoredObject

__all__ = [
    "RESERVED_NAMES",
    "Endpoint",
    "EndpointQuerySet",
    "GatewayToken",
    "OpenCircuit",
    "Route",
    "StoredObject",
]
