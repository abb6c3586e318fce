"""What the catalogue declares of built-in providers beyond keys: prices, and an example."""

from functools import cache

import msgspec

from apikeys.catalogue.loading import load_catalogue


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of prices in genai-prices, and the model's name in it, by a regular expression.

    The expression must match the whole name of a route's model. Its group ``model`` is the name in
    the list; other groups can be part of ``list``, as in ``huggingface_{server}``.
    """

    list: str
    model: str = "(?P<model>.*)"


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request of the provider's own API, with ``{name}`` for the model and the key's settings."""

    path: str
    body: str = ""


class ProviderFacts(msgspec.Struct, frozen=True):
    slug: str
    prices: Prices | None = None
    example: Example | None = None


def provider_facts(slug: str) -> ProviderFacts:
    """Return what is known of a provider; nothing of an operator's own."""
    return built_in().get(slug) or ProviderFacts(slug)


@cache
def built_in() -> dict[str, ProviderFacts]:
    return {entry["slug"]: msgspec.convert(entry, ProviderFacts) for entry in load_catalogue()}
