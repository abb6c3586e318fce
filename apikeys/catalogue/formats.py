"""Formats that a regular expression cannot tell: URLs, Azure endpoints, service accounts.

Each takes a value and a list that collects notes for the person who typed it, and returns the
value to keep. A value that cannot work raises ``ValidationError``, without repeating the value.
"""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from .origins import is_allowed_privately, is_private_host, is_proper_host, origin_of

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


def https_url(value: str, notes: list[str]) -> str:
    """A base URL: https, or what the operator allowed on a private network."""
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in value):
        raise ValidationError("A URL has no spaces or control characters in it.")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValidationError("Enter a full URL that begins with https://.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValidationError("Enter a full URL that begins with https://.")
    if "@" in parts.netloc:
        raise ValidationError("Leave out the user name or password: a URL is not kept secret.")
    if parts.query or parts.fragment:
        raise ValidationError("Leave out everything from ? or # on: this is a base URL.")
    if "\\" in value or not is_proper_host(parts):
        raise ValidationError("The host is not a plain host name or IP address.")
    if not is_allowed_privately(value, settings.ALLOWED_PRIVATE_ORIGINS):
        _refuse_private(value, parts.scheme, parts.hostname)
    path = parts.path.rstrip("/")
    tidy = f"{parts.scheme}://{parts.netloc.lower()}{path}"
    if path != parts.path:
        notes.append("Removed the slash at the end of the URL.")
    return tidy


def _refuse_private(url: str, scheme: str, host: str) -> None:
    if is_private_host(host):
        raise ValidationError(
            f"{host} is on a private network. An operator can allow it: "
            f"ALLOWED_PRIVATE_ORIGINS={origin_of(url)}"
        )
    if scheme != "https":
        raise ValidationError(
            "Enter a URL that begins with https://: over http anybody could read the key."
        )


def azure_endpoint(value: str, notes: list[str]) -> str:
    """The origin of an Azure resource; a full URL copied from the portal is reduced to it."""
    try:
        parts = urlsplit(value if "://" in value else f"https://{value}")
    except ValueError:
        raise ValidationError(
            "Enter the resource's endpoint, as https://NAME.openai.azure.com."
        ) from None
    origin = https_url(f"{parts.scheme}://{parts.netloc}", notes)
    host = urlsplit(origin).hostname or ""
    if not origin.startswith("https://") or urlsplit(origin).port not in (None, 443):
        raise ValidationError("An Azure endpoint begins with https:// and has no port.")
    origin = f"https://{host}"
    if not host.endswith(AZURE_SUFFIXES + AZURE_OTHER_SUFFIXES) or host.startswith("."):
        raise ValidationError(
            "An Azure endpoint is https://NAME.openai.azure.com, "
            "https://NAME.cognitiveservices.azure.com "
            "or https://NAME.services.ai.azure.com."
        )
    if origin != value:
        notes.append(f"Kept only the endpoint itself: {origin}")
    if host.endswith(AZURE_OTHER_SUFFIXES):
        notes.append(
            f"{host} is a sovereign cloud, API Management or regional host: check that it is yours."
        )
    return origin


def service_account_json(value: str, notes: list[str]) -> str:
    """The JSON file of a Google service account key."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        raise ValidationError("This is not JSON. Paste the whole file, from { to }.") from None
    if not isinstance(document, dict) or document.get("type") != "service_account":
        raise ValidationError(
            'This is not a service account key: it has no "type": "service_account".'
        )
    if missing := [name for name in SERVICE_ACCOUNT_FIELDS if not _text(document, name)]:
        raise ValidationError(
            f"The service account key is incomplete: it has no {', '.join(missing)}."
        )
    if not document["private_key"].startswith("-----BEGIN"):
        raise ValidationError("The private_key of the service account is not a PEM key.")
    if document["token_uri"] != GOOGLE_TOKEN_URL:
        raise ValidationError(
            f"The token_uri of the service account must be {GOOGLE_TOKEN_URL}: "
            "the key would be used elsewhere."
        )
    return value


def _text(document: dict[str, object], name: str) -> bool:
    value = document.get(name)
    return isinstance(value, str) and bool(value.strip())


FORMATS: dict[str, Callable[[str, list[str]], str]] = {
    "https_url": https_url,
    "azure_endpoint": azure_endpoint,
    "service_account_json": service_account_json,
}
