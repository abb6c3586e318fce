"""The endpoints that a token may use, as each dialect lists models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

OWNER = "gatehouse"
GOOGLE_METHODS = ["generateContent", "streamGenerateContent", "countTokens", "embedContent"]


def list_endpoints(dialect: str, endpoints: Sequence[tuple[str, datetime]]) -> dict[str, Any]:
    """Return the body of a list of models. Sources: the API references of the three, and MLflow's
    mlflow/deployments/server/config.py."""
    listed = [describe_endpoint(dialect, name, created) for name, created in endpoints]
    match dialect:
        case "anthropic":
            first, last = (endpoints[0][0], endpoints[-1][0]) if endpoints else (None, None)
            return {"data": listed, "has_more": False, "first_id": first, "last_id": last}
        case "google":
            return {"models": listed}
        case "mlflow":
            return {"endpoints": listed}
    return {"object": "list", "data": listed}


def describe_endpoint(dialect: str, name: str, created: datetime) -> dict[str, Any]:
    """Return one model of such a list. What its provider knows of it, such as limits, is left out:
    its routes may differ in that."""
    match dialect:
        case "anthropic":
            day = f"{created:%Y-%m-%dT%H:%M:%SZ}"
            return {"type": "model", "id": name, "display_name": name, "created_at": day}
        case "google":
            return {
                "name": f"models/{name}",
                "baseModelId": name,
                "version": "001",
                "displayName": name,
                "supportedGenerationMethods": GOOGLE_METHODS,
            }
        case "mlflow":
            return {
                "name": name,
                "endpoint_type": "llm/v1/chat",
                "model": {"name": name, "provider": OWNER},
                "endpoint_url": f"/endpoints/{name}/invocations",
                "limit": None,
            }
    return {
        "id": name,
        "object": "model",
        "created": int(created.timestamp()),
        "owned_by": OWNER,
    }
