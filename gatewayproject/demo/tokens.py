"""OAuth token services: Entra ID and its metadata service, Databricks, Google, IBM.

Source: RFC 6749 section 5; Microsoft Learn, "How to use managed identities"; IBM Cloud IAM Identity
Services API, "Create an IAM access token".
"""

import time
from collections.abc import Mapping

from gatewayproject.demo.answers import Answer, json_answer

METADATA_SERVICE = "/metadata/identity/oauth2/token"


def is_token_request(method: str, path: str) -> bool:
    if method == "GET":
        return path == METADATA_SERVICE
    return method == "POST" and path.endswith("/token")


def issue(
    path: str, headers: Mapping[bytes, bytes], body: bytes, *, number: int, lifetime: int
) -> Answer:
    """Issue ``made-up-<number>`` for ``lifetime`` seconds, to whoever asks in the right form."""
    if path == METADATA_SERVICE:
        if headers.get(b"metadata", b"").lower() != b"true":
            return refusal("Required metadata header not specified")
    elif b"grant_type=" not in body:
        return refusal("grant_type is missing")
    token = {"access_token": f"made-up-{number}", "token_type": "Bearer", "expires_in": lifetime}
    if path.endswith("/identity/token"):
        token["expiration"] = int(time.time()) + lifetime
    if path == METADATA_SERVICE:  # which writes its numbers as strings
        token |= {"expires_in": str(lifetime), "expires_on": str(int(time.time()) + lifetime)}
    return json_answer(token, headers=(("cache-control", "no-store"),))


def refusal(description: str) -> Answer:
    return json_answer({"error": "invalid_request", "error_description": description}, 400)
