"""How a credential travels: templates with ``{name}`` for the value of a field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from .fields import OWN_HEADERS, FieldSpec
from .formats import https_url

# What computes a credential at the time of a request; all others are plain headers.
SIGNERS = {
    "aws_sigv4",
    "azure_imds",
    "google_default",
    "google_service_account",
    "ibm_iam",
    "oauth2_client_credentials",
    "oci_signature",
}
SETTINGS = {"base_url", "base_url_when", "headers", "signer", "token", "expiry"}
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_FROM_A_TOKEN_SERVICE = {"access_token"}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of ``{name}``; one that is missing becomes nothing."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), template)


def check_transport(transport: Any, verify: Any, specs: Sequence[FieldSpec]) -> None:
    """Refuse a declaration that a request could stumble over, or that sends a secret astray."""
    if not isinstance(transport, dict) or not isinstance(transport.get("base_url"), str):
        raise ValidationError({"transport": 'Give at least a "base_url", such as "{api_base}".'})
    if unknown := transport.keys() - SETTINGS:
        raise ValidationError(
            {"transport": f"There is no setting called {', '.join(sorted(unknown))}."}
        )
    _check_headers(transport.get("headers", {}), {spec.name for spec in specs})
    if transport.get("signer", "aws_sigv4") not in SIGNERS:
        raise ValidationError({"transport": f"A signer is one of {', '.join(sorted(SIGNERS))}."})
    token = transport.get("token", {})
    if not isinstance(token, dict) or not all(isinstance(value, str) for value in token.values()):
        raise ValidationError({"transport": '"token" is an object of texts.'})
    special = transport.get("base_url_when", {})
    if special and not (
        isinstance(special, dict) and special.keys() == {"field", "is", "base_url"}
    ):
        raise ValidationError(
            {"transport": '"base_url_when" has a "field", an "is" and a "base_url".'}
        )
    if not isinstance(verify, dict):
        raise ValidationError({"verify": 'Enter an object, with a "url".'})
    for place, url in (
        ("transport", transport["base_url"]),
        ("transport", special.get("base_url")),
        ("transport", token.get("url")),
        ("verify", verify.get("url")),
    ):
        if url is not None:
            _check_url(place, url, specs)


def _check_headers(headers: Any, names: set[str]) -> None:
    if not isinstance(headers, dict) or not all(
        isinstance(value, str) for value in headers.values()
    ):
        raise ValidationError({"transport": "Headers are an object of texts."})
    for name, value in headers.items():
        if (
            not _HEADER_NAME.fullmatch(name)
            or name.lower() in OWN_HEADERS
            or not value.isprintable()
        ):
            raise ValidationError({"transport": f"{name!r} is not a header that can be set."})
        if unknown := set(_PLACEHOLDER.findall(value)) - names - _FROM_A_TOKEN_SERVICE:
            raise ValidationError(
                {"transport": f"No field is called {', '.join(sorted(unknown))}."}
            )


def _check_url(place: str, url: Any, specs: Sequence[FieldSpec]) -> None:
    if not isinstance(url, str):
        raise ValidationError({place: "A URL is a text."})
    used = set(_PLACEHOLDER.findall(url))
    if used & {spec.name for spec in specs if spec.secret}:
        raise ValidationError({place: "A secret never travels in a URL."})
    samples = {spec.name: "https://ai.example" if spec.format else "x" for spec in specs}
    samples["base_url"] = "https://ai.example"
    if unknown := used - samples.keys():
        raise ValidationError({place: f"No field is called {', '.join(sorted(unknown))}."})
    try:
        parts = urlsplit(fill(url, samples))
        https_url(f"{parts.scheme}://{parts.netloc}", [])
    except ValueError:
        raise ValidationError({place: "Enter a full URL that begins with https://."}) from None
    except ValidationError as error:
        raise ValidationError({place: error.messages}) from None
