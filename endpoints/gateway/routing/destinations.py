"""Where a key's requests go, and with which headers: its scheme and settings, prepared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from urllib.parse import quote, urlsplit

import msgspec

from apikeys.catalogue.origins import origin_of
from apikeys.catalogue.provider_errors import ErrorRule
from apikeys.catalogue.transport import PLACEHOLDER, Dialect, Transport, fill
from apikeys.sealing import Origins, Role

# What Azure serves under a deployment's own URL, while the API version is a date.
# Source: Azure OpenAI REST API reference, data plane; the list in openai/lib/azure.py.
_OF_DEPLOYMENTS = {
    "chat/completions",
    "completions",
    "embeddings",
    "audio/transcriptions",
    "audio/translations",
    "audio/speech",
    "images/generations",
    "images/edits",
}
GOOGLE_VERSION = "/v1beta"  # at the end of a base URL: the client's version takes its place


class OriginMismatch(Exception):
    """The scheme sends a dialect's requests to another origin than that of the key."""


@dataclass(frozen=True, eq=False)
class Destination:
    """A URL, and the header templates that go with it, by lower-case name."""

    url: str
    headers: Mapping[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict)  # if the client sends none

    @cached_property
    def own_headers(self) -> frozenset[str]:
        """The headers that a client cannot set, nor what some servers treat as the same."""
        return frozenset(self.headers) | {name.replace("_", "-") for name in self.headers}


@dataclass(frozen=True, eq=False)
class Plan:
    """What a scheme declares, with the settings of one key filled in."""

    base_url: str
    origin: str
    origins: Origins  # of the API and of the token service: what the key is opened for
    config: Mapping[str, str]
    headers: Mapping[str, str]  # by lower-case name; templates of secrets
    dialects: Mapping[str, Dialect]
    signer: str
    token: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[ErrorRule, ...] = ()  # the provider's own

    @cached_property
    def digest(self) -> str:
        """What a token is obtained for: no other plan uses it."""
        facts = [self.base_url, self.signer, self.config, self.token]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def speaks(self, dialect: str) -> bool:
        return dialect in self.dialects

    def serves(self, dialect: str, api: str) -> bool:
        """Whether an API of a dialect is there, as far as the catalogue knows."""
        facts = self.dialects.get(dialect)
        return facts is not None and (not api or not facts.operations or api in facts.operations)

    def model_for(self, dialect: str, model: str) -> str:
        """Return the model as this API names it in a body."""
        template = self.dialects[dialect].model
        return fill(template, {"model": model}) if template and "/" not in model else model

    @lru_cache(maxsize=4096)  # noqa: B019 - plans are few, and kept by ``plan_of`` anyway
    def destination(
        self, dialect: str, operation: str, model: str, google_version: str = ""
    ) -> Destination:
        """Return where ``operation`` of ``dialect`` is served. Raises ``OriginMismatch``."""
        facts = self.dialects[dialect]
        version = self.config.get("api_version", "")
        values = {**self.config, "base_url": self.base_url, "model": quote(model, safe="")}
        if facts.deployment_url and operation in _OF_DEPLOYMENTS and version[:1].isdigit():
            url = fill(facts.deployment_url, values)
            return self._at(f"{url}/{operation}?api-version={version}")
        base_url = fill(facts.base_url, values)
        if google_version and base_url.endswith(GOOGLE_VERSION):
            base_url = f"{base_url.removesuffix(GOOGLE_VERSION)}/{google_version}"
        query = f"?api-version={version}" if version == "preview" else ""
        return self._at(f"{base_url}/{operation}{query}", facts.headers)

    def google_destination(self, method: str, model: str, version: str = "") -> Destination:
        """Return where a method of Google's API is served for ``model``, in the client's version if
        the provider has several."""
        name = quote(model.removeprefix("models/"), safe="")
        return self.destination("google", f"models/{name}:{method}", model, version)

    def native_destination(self, path: str) -> Destination:
        """Return the URL of a path of the provider's own.

        It overlaps the end of the base URL's path, so that both ``v1/models`` and ``models``
        reach ``https://api.openai.com/v1/models``.
        """
        parts = urlsplit(self.base_url)
        base = [segment for segment in parts.path.split("/") if segment]
        given = path.split("/")
        overlap = max(n for n in range(len(base) + 1) if base[len(base) - n :] == given[:n])
        joined = "/".join([*base, *given[overlap:]])
        return self._at(f"{parts.scheme}://{parts.netloc}/{joined}")

    def _at(self, url: str, headers: Mapping[str, str] | None = None) -> Destination:
        if origin_of(url) != self.origin:  # the key was sealed for this one
            raise OriginMismatch(
                "Its authentication method uses an address that its credentials were not "
                "encrypted for."
            )
        chosen = _lower(headers) if headers else self.headers
        own = {name: text for name, text in chosen.items() if not _is_constant(text)}
        defaults = {name: text for name, text in chosen.items() if _is_constant(text)}
        return Destination(url, own, defaults)


_settings = msgspec.json.Decoder(dict[str, str]).decode
_transport = msgspec.json.Decoder(Transport).decode


@lru_cache(maxsize=4096)
def plan_of(transport: str, config: str) -> Plan:
    """Return the plan of a key from its JSON. Raises ``ValueError`` if that is malformed."""
    return _plan(_transport(transport), _settings(config))


def make_plan(transport: object, config: object) -> Plan:
    """Return the plan of a key from its declarations. Raises ``ValueError`` if malformed."""
    return _plan(msgspec.convert(transport, Transport), msgspec.convert(config, dict[str, str]))


def _plan(declared: Transport, values: dict[str, str]) -> Plan:
    base_url = declared.base_url_for(values)
    values_and_url = {**values, "base_url": base_url}
    token = {name: fill(text, values_and_url) for name, text in declared.token.items()}
    origins = {Role.API: origin_of(base_url)}
    if "url" in token:
        origins[Role.TOKEN] = origin_of(token["url"])
    return Plan(
        base_url=base_url.rstrip("/"),
        origin=origins[Role.API],
        origins=origins,
        config=values,
        headers=_lower(declared.headers),
        dialects={str(name): dialect for name, dialect in declared.dialects.items()},
        signer=declared.signer,
        token=token,
        errors=declared.errors,
    )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items()}


def _is_constant(template: str) -> bool:
    """Whether a header is the same for every key, so that a client may set its own."""
    return not PLACEHOLDER.search(template)
