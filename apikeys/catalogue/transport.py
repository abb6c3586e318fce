"""How a credential travels: templates with ``{name}`` for the value of a field."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import msgspec
from django.core.exceptions import ValidationError

from .clouds import Cloud, cloud_of
from .fields import MAX_LIFETIME, FieldSpec
from .formats import https_url
from .headers import is_sendable
from .origins import has_dot_segments
from .provider_errors import ErrorRule
from .verification import Verification

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_FROM_A_TOKEN_SERVICE = {"access_token"}

Dialects = Literal["openai", "anthropic", "google"]
# The APIs of the dialects: OpenAI's, Anthropic's, and Google's, whose ``models`` are all calls
# of a model. Their paths are in endpoints/gateway/http/apis.py.
Operation = Literal[
    "chat",
    "completions",
    "responses",
    "embeddings",
    "images",
    "speech",
    "transcriptions",
    "moderations",
    "files",
    "batches",
    "messages",
    "count_tokens",
    "models",
    "cached_contents",
    "interactions",
]
# What computes a credential at the time of a request; without one there are plain headers.
Signer = Literal[
    "",
    "aws_sigv4",
    "azure_imds",
    "google_default",
    "google_service_account",
    "ibm_iam",
    "oauth2_client_credentials",
    "oci_signature",
]


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an API of this kind differs from the rest of its provider's."""

    base_url: str = "{base_url}"
    headers: dict[str, str] | None = None
    deployment_url: str = ""
    model: str = ""
    operations: tuple[Operation, ...] = ()  # which of its APIs there are; none: not known


class SpecialUrl(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base URL for one value of one field."""

    field: str
    value: str = msgspec.field(name="is")
    base_url: str


class Expiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long secrets work that begin like this."""

    prefix: str
    hours: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME)]


class Transport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the credentials of a scheme travel."""

    base_url: str
    base_url_when: SpecialUrl | None = None
    headers: dict[str, str] = {}
    signer: Signer = ""
    token: dict[str, str] = {}
    expiry: Expiry | None = None
    dialects: dict[Dialects, Dialect] = msgspec.field(default_factory=lambda: {"openai": Dialect()})
    errors: tuple[ErrorRule, ...] = ()  # what the provider's errors mean, before the general rules

    @classmethod
    def parse(cls, declaration: Any) -> Self:
        """Read a declaration. Raises ``ValidationError`` that says what is wrong with it."""
        try:
            return msgspec.convert(declaration, cls)
        except msgspec.ValidationError as error:
            raise ValidationError({"transport": f"{error}."}) from None

    def base_url_for(self, config: Mapping[str, str]) -> str:
        """Return where requests go, which may depend on one setting."""
        special = self.base_url_when
        if special and config.get(special.field) == special.value:
            return fill(special.base_url, config)
        return fill(self.base_url, config)

    def all_headers(self) -> Iterator[tuple[str, str]]:
        """Yield each header that some request may have."""
        yield from self.headers.items()
        for dialect in self.dialects.values():
            yield from (dialect.headers or {}).items()


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of ``{name}``; one that is missing becomes nothing."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], ""), template)


def check_transport(declaration: Any, verify: Any, specs: Sequence[FieldSpec]) -> None:
    """Validate a transport declaration. No secret may be sent to another host."""
    transport = Transport.parse(declaration)
    verification = Verification.parse(verify)
    known = _FROM_A_TOKEN_SERVICE | {spec.name for spec in specs}
    for name, value in transport.all_headers():
        if not is_sendable(name) or not value.isprintable():
            raise ValidationError({"transport": f"{name!r} is a header that must not be set."})
        if unknown := set(PLACEHOLDER.findall(value)) - known:
            raise ValidationError(
                {"transport": f"No field is called {', '.join(sorted(unknown))}."}
            )
    _check_dialects(transport)
    for rule in transport.errors:
        rule.check()
    special = transport.base_url_when
    base_urls = [transport.base_url, *([special.base_url] if special else [])]
    for url in [*base_urls, *([transport.token["url"]] if "url" in transport.token else [])]:
        _check_url("transport", url, specs)
    if verification.url:
        _check_url("verify", verification.url, specs)
    _check_identity(transport, base_urls, verification, specs)


def _check_dialects(transport: Transport) -> None:
    """Another dialect may have another path and other headers, but never another host."""
    beginnings = ["{base_url}", transport.base_url]
    if transport.base_url.startswith("{api_base}"):
        beginnings.append("{api_base}")
    for dialect in transport.dialects.values():
        for url in filter(None, (dialect.base_url, dialect.deployment_url)):
            if not any(url == start or url.startswith(f"{start}/") for start in beginnings):
                raise ValidationError(
                    {"transport": 'The URL of a dialect must begin with "{base_url}".'}
                )
            if has_dot_segments(PLACEHOLDER.sub("x", url)):
                raise ValidationError({"transport": "The URL of a dialect must not contain “..”."})


def _check_identity(
    transport: Transport,
    base_urls: Sequence[str],
    verification: Verification,
    specs: Sequence[FieldSpec],
) -> None:
    """Refuse hosts that an identity of this server is not sent to, as far as the scheme says them.

    Where a key says its URL itself, that is checked with the key.
    """
    cloud = identity_of(transport, specs)
    if cloud is None:
        return
    samples = {spec.name: cloud.region for spec in specs}
    for place, url in (
        *(("transport", url) for url in base_urls),
        ("verify", verification.url),
    ):
        filled = fill(url, samples)
        if "://" in url and not cloud.owns(filled, for_test=place == "verify"):
            raise ValidationError({place: cloud.refusal(filled)})


def identity_of(transport: Transport, specs: Sequence[FieldSpec]) -> Cloud | None:
    """Return the cloud whose identity of this server a key of the scheme would use."""
    return cloud_of(transport.signer, [spec.name for spec in specs if spec.secret])


def _check_url(place: str, url: str, specs: Sequence[FieldSpec]) -> None:
    used = set(PLACEHOLDER.findall(url))
    if used & {spec.name for spec in specs if spec.secret}:
        raise ValidationError({place: "A URL must not contain a secret."})
    samples = {spec.name: "https://ai.example" if spec.format else "x" for spec in specs}
    samples["base_url"] = "https://ai.example"
    if unknown := used - samples.keys():
        raise ValidationError({place: f"No field is called {', '.join(sorted(unknown))}."})
    try:
        parts = urlsplit(fill(url, samples))
        https_url(f"{parts.scheme}://{parts.netloc}{parts.path}")
    except ValueError:
        raise ValidationError({place: "Enter a full URL that begins with https://."}) from None
    except ValidationError as error:
        raise ValidationError({place: error.messages}) from None
