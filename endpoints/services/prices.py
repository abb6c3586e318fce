"""What tokens cost by public list prices: an estimate, and only where a price is known.

Prices come with the package genai-prices and are as old as its installed version: nothing is
fetched. Importing it takes a third of a second, which only a page that shows costs pays, once.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

NOTHING = Decimal(0)

# How genai-prices calls the providers of our catalogue. Whoever is missing has no list price there.
PRICE_LISTS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure_ai": "azure",
    "baseten": "baseten",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "codestral": "mistral",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "ovhcloud": "ovhcloud",
    "perplexity": "perplexity",
    "together_ai": "together",
    "vertex_ai": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
    "zai": "zai",
}
# Gateways that charge what the provider does and name it first: “openai/gpt-5-mini”.
PASSING_ON = ("litellm_proxy", "vercel_ai_gateway")
# Their paths and ARNs end in the model: “publishers/google/models/gemini-2.5-pro”.
LAST_PART_ONLY = ("aws", "google")


def cost_of(
    provider: str,
    model: str,
    *,
    answered: int,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
) -> Decimal | None:
    """Return what ``answered`` requests cost together, in USD, or None where that is unknown.

    Tokens are sums over all of them, and cached ones are part of the input. Some prices depend on
    the length of a request, so the price is that of one of mean length, as often as there were any.
    """
    if answered <= 0:
        return NOTHING
    if not (input_tokens or output_tokens):
        return None  # the provider did not say
    found = _find(provider, model)
    if found is None:
        return None
    price_list, priced = found
    moment = _midday()
    if priced.get_prices(moment).input_mtok is None:  # by the minute or the page, or for nothing
        return NOTHING if priced.id.endswith(":free") else None
    one = _usage(answered, input_tokens, output_tokens, cached_tokens)
    price = priced.calc_price(one, price_list, genai_request_timestamp=moment)
    return price.total_price * answered


def _usage(answered: int, input_tokens: int, output_tokens: int, cached_tokens: int) -> Any:
    from genai_prices import Usage

    return Usage(
        input_tokens=Decimal(input_tokens) / answered,
        output_tokens=Decimal(output_tokens) / answered,
        cache_read_tokens=Decimal(min(cached_tokens, input_tokens)) / answered,
    )


def _midday() -> datetime:
    """Return a moment of today at which no discount for the night holds."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _find(provider: str, model: str) -> "tuple[Provider, ModelInfo] | None":
    from genai_prices.data_snapshot import get_snapshot

    price_list, name = _listed_as(provider, model)
    if not price_list:
        return None
    try:
        return get_snapshot().find_provider_model(name, None, price_list, None)
    except LookupError:
        return None


def _listed_as(provider: str, model: str) -> tuple[str, str]:
    """Return the price list and the model's name in it; no list where there is none."""
    if provider in PASSING_ON:
        price_list, _, name = model.partition("/")
        return (price_list, name) if name else ("", model)
    if provider == "huggingface":  # “meta-llama/Llama-3.3-70B-Instruct:groq”
        name, _, server = model.rpartition(":")
        return (f"huggingface_{server}", name) if name else ("", model)
    price_list = PRICE_LISTS.get(provider, "")
    return price_list, model.rpartition("/")[2] if price_list in LAST_PART_ONLY else model
