"""The endpoints that a token may use, as each dialect lists models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

OWNER = "gatehouse"


def list_endpoints(dialect: str, endpoints: Sequence[tuple[str, datetime]]) -> dict[str, Any]:
    """Return the body of a list of models. Sources: the API references of the three."""
    if dialect == "anthropic":
        return {
            "data": [
                {
                    "type": "model",
                    "id": name,
                    "display_name": name,
                    "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}",
                }
                for name, created in endpoints
            ],
            "has_more": False,
            "first_id": endpoints[0][0] if endpoints else None,
            "last_id": endpoints[-1][0] if endpoints else None,
        }
    if dialect == "google":
        methods = ["generateContent", "streamGenerateContent", "countTokens", "embedContent"]
        return {
            "models": [
                {
                    "name": f"models/{name}",
                    "displayName": name,
                    "supportedGenerationMethods": methods,
                }
                for name, _ in endpoints
            ]
        }
    return {
        "object": "list",
        "data": [
            {
                "id": name,
                "object": "model",
                "created": int(created.timestamp()),
                "owned_by": OWNER,
            }
            for name, created in endpoints
        ],
    }
