"""Read the data file, and resolve what providers share."""

import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from .provider_errors import declared_rules

CATALOGUE_FILE = Path(__file__).with_name("providers.toml")
TRANSPORT = ("base_url", "base_url_when", "headers", "signer", "token", "expiry")


@cache
def load_catalogue() -> list[dict[str, Any]]:
    """Return the built-in providers in the order of the file, each with its resolved schemes."""
    document = tomllib.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))
    return [
        {**entry, "scheme": [_scheme(item, entry, document) for item in entry["scheme"]]}
        for entry in document["provider"]
    ]


def _scheme(
    item: dict[str, Any], provider: dict[str, Any], document: dict[str, Any]
) -> dict[str, Any]:
    scheme = {**document["scheme"][item["use"]], **item}
    env = scheme.get("env", {})
    specs = [_field(reference, document) for reference in scheme["fields"]]
    for spec in specs:
        if spec["name"] in env:
            spec["env"] = env[spec["name"]]
        if spec.get("format") == "https_url" and "base_url" in provider:
            spec.setdefault("default", provider["base_url"])
    speaks_openai = provider.get("openai_compatible", "yes") in ("yes", "embeddings")
    dialects = provider.get("dialects", {"openai": {}} if speaks_openai else {})
    dialects = scheme.get("dialects", dialects)
    if "operations" in provider and "openai" in dialects:
        openai = {"operations": provider["operations"], **dialects["openai"]}
        dialects = {**dialects, "openai": openai}
    return {
        "slug": scheme["slug"],
        "name": scheme["name"],
        "is_default": scheme.get("default", False),
        "ambient": scheme.get("ambient", False),
        "fields": specs,
        "transport": {
            **{key: scheme[key] for key in TRANSPORT if key in scheme},
            "dialects": dialects,
            **({"errors": errors} if (errors := declared_rules(provider["slug"])) else {}),
        },
        "verify": scheme.get("verify", {}),
    }


def _field(reference: str | dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    own = {"use": reference} if isinstance(reference, str) else reference
    shared = document["field"][own["use"]] if "use" in own else {}
    spec = {"name": own.get("use"), **shared, **own}
    spec.pop("use", None)
    formats = document["format"]
    shape = formats.get(spec.pop("hint_format", "") or spec.get("format", ""), {})
    if "pattern" in shape:
        spec = {**shape, **spec}
        if "pattern" in formats.get(spec.get("format", ""), {}):
            del spec["format"]  # a pattern and nothing more
    return spec


@lru_cache(maxsize=1024)
def field_label(name: str) -> str:
    """Return how the catalogue labels a field of an auth scheme, or "" for an unknown one."""
    labels = (
        str(spec["label"])
        for provider in load_catalogue()
        for scheme in provider["scheme"]
        for spec in scheme["fields"]
        if spec["name"] == name
    )
    return next(labels, "")
