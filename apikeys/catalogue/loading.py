"""Read the data file: resolve what providers share, and hand out plain entries."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

CATALOGUE_FILE = Path(__file__).with_name("providers.toml")
TRANSPORT = ("base_url", "base_url_when", "headers", "signer", "token", "expiry")


@cache
def load_catalogue() -> list[dict[str, Any]]:
    """Return the built-in providers in the order of the file, each with its resolved schemes."""
    document = tomllib.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))
    return [_provider(entry, document) for entry in document["provider"]]


def _provider(entry: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    schemes = [_scheme(item, entry, document) for item in entry["scheme"]]
    return {**entry, "scheme": schemes}


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
    return {
        "slug": scheme["slug"],
        "name": scheme["name"],
        "is_default": scheme.get("default", False),
        "ambient": scheme.get("ambient", False),
        "fields": specs,
        "transport": {
            **{key: scheme[key] for key in TRANSPORT if key in scheme},
            "dialects": scheme.get("dialects", _dialects(provider)),
        },
        "verify": scheme.get("verify", {}),
    }


def _dialects(provider: dict[str, Any]) -> dict[str, Any]:
    speaks_openai = provider.get("openai_compatible", "yes") in ("yes", "embeddings")
    return provider.get("dialects", {"openai": {}} if speaks_openai else {})


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
