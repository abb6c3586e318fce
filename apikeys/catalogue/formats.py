"""Formats that a regular expression cannot check: URLs, Azure endpoints, service accounts.

Each returns the value to keep. A value that cannot work raises ``ValidationError``, without
repeating the value.
"""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from .cleaned import Cleaned
from .origins import (
    has_dot_segments,
    is_allowed_privately,
    is_private_host,
    is_proper_host,
    origin_of,
)

# Source: PostHog's Azure provider and Microsoft's documentation of the resource endpoints.
AZURE_SUFFIXES = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
# Sovereign clouds, API Management and the regional endpoints: real, but not confirmed one by one.
AZURE_OTHER_SUFFIXES = (
    ".openai.azure.us",
    ".cognitiveservices.azure.us",
    ".openai.azure.cn",
    ".cognitiveservices.azure.cn",
    ".azure-api.net",
    ".azure-api.us",
    ".azure-api.cn",
    ".api.cognitive.microsoft.com",
)
GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"
SERVICE_ACCOUNT_FIELDS = ("project_id", "private_key", "client_email", "token_uri")


def https_url(value: str) -> Cleaned:
    """A base URL: https, or what the operator allowed on a private network."""
    if any(ord(character) <= 0x20 or ord(character) >= 0x7F for character in value):
        raise ValidationError("Enter a URL without spaces and non-ASCII characters.")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValidationError("Enter a full URL that begins with https://.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValidationError("Enter a full URL that begins with https://.")
    if "@" in parts.netloc:
        raise ValidationError("Remove the user name and password. URLs are not secret.")
    if parts.query or parts.fragment:
        raise ValidationError("Remove the ? or # and everything after it. This is a base URL.")
    if "\\" in value or not is_proper_host(parts):
        raise ValidationError("Enter a plain host name or IP address.")
    if has_dot_segments(parts.path):
        raise ValidationError("Remove “.” and “..” from the path.")
    if not is_allowed_privately(value, settings.ALLOWED_PRIVATE_ORIGINS):
        if is_private_host(parts.hostname):
            raise ValidationError(
                f"{parts.hostname} is on a private network. An operator can allow it: "
                f"ALLOWED_PRIVATE_ORIGINS={origin_of(value)}"
            )
        if parts.scheme != "https":
            raise ValidationError(
                "Enter a URL that begins with https://. Over http, others could read the key."
            )
    path = parts.path.rstrip("/")
    notes = ("Removed the slash at the end of the URL.",) if path != parts.path else ()
    return Cleaned(f"{parts.scheme}://{parts.netloc.lower()}{path}", notes)


def azure_endpoint(value: str) -> Cleaned:
    """The origin of an Azure resource; a full URL copied from the portal is reduced to it."""
    try:
        parts = urlsplit(value if "://" in value else f"https://{value}")
    except ValueError:
        raise ValidationError(
            "Enter the resource's endpoint, such as https://NAME.openai.azure.com."
        ) from None
    origin, _ = https_url(f"{parts.scheme}://{parts.netloc}")
    host = urlsplit(origin).hostname or ""
    if not origin.startswith("https://") or urlsplit(origin).port not in (None, 443):
        raise ValidationError("Enter an Azure endpoint that begins with https:// and has no port.")
    origin = f"https://{host}"
    if not host.endswith(AZURE_SUFFIXES + AZURE_OTHER_SUFFIXES) or host.startswith("."):
        raise ValidationError(
            "Enter an Azure endpoint: https://NAME.openai.azure.com, "
            "https://NAME.cognitiveservices.azure.com "
            "or https://NAME.services.ai.azure.com."
        )
    notes = []
    if origin != value:
        notes.append(f"Kept only the endpoint: {origin}")
    if host.endswith(AZURE_OTHER_SUFFIXES):
        notes.append(
            f"{host} is a sovereign cloud, API Management or regional host. Check that it is yours."
        )
    return Cleaned(origin, tuple(notes))


def service_account_json(value: str) -> Cleaned:
    """The JSON file of a Google service account key."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        raise ValidationError("This is not JSON. Paste the whole file, from { to }.") from None
    if not isinstance(document, dict) or document.get("type") != "service_account":
        raise ValidationError(
            'This is not a service account key: "type": "service_account" is missing.'
        )
    values = {name: document.get(name) for name in SERVICE_ACCOUNT_FIELDS}
    if missing := [
        name for name, text in values.items() if not (isinstance(text, str) and text.strip())
    ]:
        raise ValidationError(
            f"The service account key is incomplete. Missing: {', '.join(missing)}."
        )
    if not document["private_key"].startswith("-----BEGIN"):
        raise ValidationError("The private_key of the service account is not a PEM key.")
    if document["token_uri"] != GOOGLE_TOKEN_URL:
        raise ValidationError(
            f"The token_uri of the service account must be {GOOGLE_TOKEN_URL}: "
            "others could receive the key otherwise."
        )
    return Cleaned(value)


FORMATS: dict[str, Callable[[str], Cleaned]] = {
    "https_url": https_url,
    "azure_endpoint": azure_endpoint,
    "service_account_json": service_account_json,
}
