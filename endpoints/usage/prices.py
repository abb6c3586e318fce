"""What tokens cost by public list prices: an estimate, and only where a price is known.

Prices come with the package genai-prices and are as old as its installed version: nothing is
fetched. Importing it takes a third of a second, so only pages that show costs do, once.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from endpoints.services.provider_facts import provider_facts

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

NOTHING = Decimal(0)


def cost_of(
    provider: str,
    model: str,
    *,
    answered: int,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
) -> Decimal | None:
    """Return what ``answered`` requests cost together, in USD, or None if that is unknown.

    Tokens are sums over all of them, and cached ones are part of the input. Some prices depend on
    the length of a request, so the price is that of one of mean length, as often as there were any.
    """
    if answered <= 0:
        return NOTHING
    if not (input_tokens or output_tokens):
        return None  # the provider did not report any
    found = _find(provider, model)
    if found is None:
        return None
    from genai_prices import Usage

    price_list, priced = found
    moment = _midday()
    if priced.get_prices(moment).input_mtok is None:  # by the minute or the page, or for nothing
        return NOTHING if priced.id.endswith(":free") else None
    one = Usage(
        input_tokens=Decimal(input_tokens) / answered,
        output_tokens=Decimal(output_tokens) / answered,
        cache_read_tokens=Decimal(min(cached_tokens, input_tokens)) / answered,
    )
    price = priced.calc_price(one, price_list, genai_request_timestamp=moment)
    return price.total_price * answered


def _midday() -> datetime:
    """Return a moment of today at which no discount for the night holds."""
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _find(provider: str, model: str) -> "tuple[Provider, ModelInfo] | None":
    from genai_prices.data_snapshot import get_snapshot

    prices = provider_facts(provider).prices
    match = prices and re.fullmatch(prices.model, model, re.DOTALL)
    if not prices or not match:
        return None
    price_list = prices.list.format(**match.groupdict())
    try:
        return get_snapshot().find_provider_model(match["model"], None, price_list, None)
    except LookupError:
        return None
