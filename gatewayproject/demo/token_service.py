"""OAuth token services: Entra ID and its metadata service, Databricks, Google, IBM.

Source: RFC 6749 section 5; Microsoft Learn, "How to use managed identities"; IBM Cloud IAM Identity
Services API, "Create an IAM access token".
"""

import time
from collections.abc import Mapping

from .http_response import Response, json_response

METADATA_SERVICE = "/metadata/identity/oauth2/token"


def is_token_request(method: str, path: str) -> bool:
    if method == "GET":
        return path == METADATA_SERVICE
    return method == "POST" and path.endswith("/token")


def issue_token(
    path: str, headers: Mapping[bytes, bytes], body: bytes, *, number: int, lifetime: int
) -> Response:
    """Issue the token ``made-up-<number>``, valid for ``lifetime`` seconds."""
    if path == METADATA_SERVICE:
        if headers.get(b"metadata", b"").lower() != b"true":
            return error_response("Required metadata header not specified")
    elif b"grant_type=" not in body:
        return error_response("grant_type is missing")
    token = {"access_token": f"made-up-{number}", "token_type": "Bearer", "expires_in": lifetime}
    if path.endswith("/identity/token"):
        token["expiration"] = int(time.time()) + lifetime
    if path == METADATA_SERVICE:  # sends numbers as strings
        token |= {"expires_in": str(lifetime), "expires_on": str(int(time.time()) + lifetime)}
    return json_response(token, headers=(("cache-control", "no-store"),))


def error_response(description: str) -> Response:
    return json_response({"error": "invalid_request", "error_description": description}, 400)
