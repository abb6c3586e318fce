"""How a credential travels: templates with ``{name}`` for the value of a field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from .fields import MAX_LIFETIME, OWN_HEADERS, FieldSpec
from .formats import https_url
from .verification import Verification

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
SETTINGS = {"base_url", "base_url_when", "headers", "signer", "token", "expiry", "dialects"}
DIALECTS = ("openai", "anthropic", "google")
DIALECT_SETTINGS = {"base_url", "headers", "deployment_url", "model"}
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_FROM_A_TOKEN_SERVICE = {"access_token"}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of ``{name}``; one that is missing becomes nothing."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], ""), template)


def base_url_of(transport: Mapping[str, Any], config: Mapping[str, str]) -> str:
    """Return where requests go, as the one setting says on which it may depend."""
    special = transport.get("base_url_when")
    applies = special and config.get(special["field"]) == special["is"]
    return fill(special["base_url"] if applies else transport["base_url"], config)


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
    _check_expiry(transport.get("expiry"))
    _check_dialects(transport, specs)
    if not isinstance(verify, dict):
        raise ValidationError({"verify": 'Enter an object, with a "url".'})
    verification = Verification.parse(verify)
    for place, url in (
        ("transport", transport["base_url"]),
        ("transport", special.get("base_url")),
        ("transport", token.get("url")),
        ("verify", verification.url or None),
    ):
        if url is not None:
            _check_url(place, url, specs)


def _check_expiry(expiry: Any) -> None:
    if expiry is not None and not (
        isinstance(expiry, dict)
        and expiry.keys() == {"prefix", "hours"}
        and isinstance(expiry["prefix"], str)
        and type(expiry["hours"]) is int
        and 0 < expiry["hours"] <= MAX_LIFETIME
    ):
        raise ValidationError({"transport": '"expiry" has a "prefix" and a number of "hours".'})


def _check_dialects(transport: dict[str, Any], specs: Sequence[FieldSpec]) -> None:
    """Another dialect may have another path and other headers, but never another host."""
    dialects = transport.get("dialects", {})
    if not isinstance(dialects, dict) or dialects.keys() - set(DIALECTS):
        raise ValidationError({"transport": f"A dialect is one of {', '.join(DIALECTS)}."})
    for dialect in dialects.values():
        if not isinstance(dialect, dict) or dialect.keys() - DIALECT_SETTINGS:
            raise ValidationError(
                {"transport": f"A dialect may have {', '.join(sorted(DIALECT_SETTINGS))}."}
            )
        _check_headers(dialect.get("headers", {}), {spec.name for spec in specs})
        if not isinstance(dialect.get("model", ""), str):
            raise ValidationError({"transport": "The model of a dialect is a text."})
        for name in ("base_url", "deployment_url"):
            url = dialect.get(name, "{base_url}")
            if not isinstance(url, str) or not _same_host(url, transport["base_url"]):
                raise ValidationError(
                    {"transport": 'A URL of a dialect begins with "{base_url}": the host stays.'}
                )


def _same_host(url: str, base_url: str) -> bool:
    beginnings = ["{base_url}", base_url]
    if base_url.startswith("{api_base}"):
        beginnings.append("{api_base}")
    return any(url == start or url.startswith(f"{start}/") for start in beginnings)


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
        if unknown := set(PLACEHOLDER.findall(value)) - names - _FROM_A_TOKEN_SERVICE:
            raise ValidationError(
                {"transport": f"No field is called {', '.join(sorted(unknown))}."}
            )


def _check_url(place: str, url: Any, specs: Sequence[FieldSpec]) -> None:
    if not isinstance(url, str):
        raise ValidationError({place: "A URL is a text."})
    used = set(PLACEHOLDER.findall(url))
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
