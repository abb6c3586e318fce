"""Where a key's requests go, and which headers they carry: its scheme and settings, made ready."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from apikeys.catalogue.origins import origin_of
from apikeys.catalogue.transport import PLACEHOLDER, base_url_of, fill

# What Azure serves under a deployment's own URL, while the API version is a date.
# Source: Azure OpenAI REST API reference, data plane.
_OF_DEPLOYMENTS = {"chat/completions", "completions", "embeddings"}


class Elsewhere(Exception):
    """The scheme sends a dialect's requests to another origin than that of the key."""


@dataclass(frozen=True, eq=False)
class Destination:
    """A URL, and the header templates that go with it, by lower-case name."""

    url: str
    headers: Mapping[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict)  # where the caller sends none

    @cached_property
    def own_headers(self) -> frozenset[str]:
        """The headers that a caller cannot set."""
        return frozenset(self.headers)


@dataclass(frozen=True, eq=False)
class Plan:
    """What a scheme declares, with the settings of one key filled in."""

    base_url: str
    origin: str
    origins: frozenset[str]  # of the API and of the token service: what the key is opened towards
    config: Mapping[str, str]
    headers: Mapping[str, str]  # by lower-case name; templates of secrets
    dialects: Mapping[str, Mapping[str, Any]]
    signer: str
    token: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """What a token is obtained for: no other plan makes use of it."""
        facts = [self.base_url, self.signer, self.config, self.token]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def speaks(self, dialect: str) -> bool:
        return dialect in self.dialects

    def model_for(self, dialect: str, model: str) -> str:
        """Return the model as this API wants it named in a body."""
        template = self.dialects[dialect].get("model", "")
        return fill(template, {"model": model}) if template and "/" not in model else model

    @lru_cache(maxsize=4096)  # noqa: B019 - plans are few, and kept by ``plan_of`` anyway
    def destination(self, dialect: str, operation: str, model: str) -> Destination:
        """Return where ``operation`` of ``dialect`` is served. Raises ``Elsewhere``."""
        facts = self.dialects[dialect]
        version = self.config.get("api_version", "")
        values = {**self.config, "base_url": self.base_url, "model": quote(model, safe="")}
        if "deployment_url" in facts and operation in _OF_DEPLOYMENTS and version[:1].isdigit():
            url = fill(facts["deployment_url"], values)
            return self._at(f"{url}/{operation}?api-version={version}")
        base_url = fill(facts.get("base_url", "{base_url}"), values)
        query = f"?api-version={version}" if version == "preview" else ""
        return self._at(f"{base_url}/{operation}{query}", facts.get("headers"))

    def google_destination(self, method: str, model: str) -> Destination:
        """Return where a method of Google's API is served for ``model``."""
        name = quote(model.removeprefix("models/"), safe="")
        return self.destination("google", f"models/{name}:{method}", model)

    def native_destination(self, path: str) -> Destination:
        """Return the URL of a path of the provider's own.

        It is laid over the end of the base URL's path, so that both ``v1/models`` and ``models``
        reach ``https://api.openai.com/v1/models``.
        """
        parts = urlsplit(self.base_url)
        base = [segment for segment in parts.path.split("/") if segment]
        given = path.split("/")
        overlap = max(n for n in range(len(base) + 1) if base[len(base) - n :] == given[:n])
        joined = "/".join([*base, *given[overlap:]])
        return self._at(f"{parts.scheme}://{parts.netloc}/{joined}")

    def _at(self, url: str, headers: Mapping[str, str] | None = None) -> Destination:
        if origin_of(url) != self.origin:  # whatever the database says: it was sealed for this one
            raise Elsewhere("Its method leads to another address than its credentials are for.")
        chosen = _lower(headers) if headers else self.headers
        own = {name: text for name, text in chosen.items() if not _is_constant(text)}
        defaults = {name: text for name, text in chosen.items() if _is_constant(text)}
        return Destination(url, own, defaults)


@lru_cache(maxsize=4096)
def plan_of(transport: str, config: str) -> Plan:
    """Make the plan of a key from its JSON. Raises ``ValueError`` where the address is no URL."""
    declared, values = json.loads(transport), json.loads(config)
    base_url = base_url_of(declared, values)
    token = declared.get("token", {})
    filled = {name: fill(text, {**values, "base_url": base_url}) for name, text in token.items()}
    origins = {origin_of(base_url)}
    if "url" in filled:
        origins.add(origin_of(filled["url"]))
    return Plan(
        base_url=base_url.rstrip("/"),
        origin=origin_of(base_url),
        origins=frozenset(origins),
        config=values,
        headers=_lower(declared.get("headers", {})),
        dialects=declared.get("dialects", {"openai": {}}),
        signer=declared.get("signer", ""),
        token=filled,
    )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items()}


def _is_constant(template: str) -> bool:
    """Whether a header is the same for every key, so that a caller may choose its own."""
    return not PLACEHOLDER.search(template)
