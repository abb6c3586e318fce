"""What tokens are said to cost. Prices are those of the installed genai-prices."""

import re
import socket
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from endpoints.services.provider_facts import built_in
from endpoints.usage import prices
from endpoints.usage.prices import cost_of

MILLION = 1_000_000


def cost(
    provider: str,
    model: str,
    *,
    given: int = MILLION,
    made: int = 0,
    cached: int = 0,
    of: int = 1000,
) -> Decimal | None:
    return cost_of(
        provider,
        model,
        answered=of,
        input_tokens=given,
        output_tokens=made,
        cached_tokens=cached,
    )


def test_every_price_list_of_the_catalogue_exists() -> None:
    lists = {provider.id for provider in get_snapshot().providers}
    prices = [facts.prices for facts in built_in().values() if facts.prices]

    assert len(prices) > 25
    assert {each.list for each in prices if "{" not in each.list} <= lists
    assert all("model" in re.compile(each.model).groupindex for each in prices)


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        ("openai", "gpt-5-mini", "0.25"),
        ("openai", "text-embedding-3-small", "0.02"),
        ("azure", "gpt-4o", "2.5"),
        ("anthropic", "claude-sonnet-4-5", "3"),
        ("gemini", "gemini-2.5-pro", "1.25"),
        ("gemini", "models/gemini-2.5-pro", "1.25"),
        ("vertex_ai", "publishers/google/models/gemini-2.5-pro", "1.25"),
        ("vertex_ai", "claude-sonnet-4@20250514", "3"),
        ("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", "3"),
        ("bedrock", "amazon.nova-lite-v1:0", "0.06"),
        ("groq", "llama-3.3-70b-versatile", "0.59"),
        ("mistral", "mistral-large-latest", "2"),
        ("xai", "grok-4", "3"),
        ("litellm_proxy", "openai/gpt-4o", "2.5"),
        ("vercel_ai_gateway", "anthropic/claude-sonnet-4-5", "3"),
        ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:groq", "0.59"),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:free", "0"),
    ],
)
def test_a_million_tokens_cost_what_the_list_says(provider: str, model: str, dollars: str) -> None:
    assert cost(provider, model) == Decimal(dollars)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "our-own-model"),
        ("azure", "our-deployment"),
        ("ollama", "gpt-5"),
        ("somebody-of-our-own", "gpt-5"),
        ("", "gpt-5"),
        ("litellm_proxy", "gpt-4o"),
        ("litellm_proxy", "/"),
        ("huggingface", "meta-llama/Llama-3.3-70B-Instruct"),
        ("openai", "whisper-1"),
        ("openai", ""),
        ("openai", "\x00 «unlikely» 🙂" * 10),
    ],
)
def test_what_has_no_price_by_the_token_is_unknown_and_not_free(provider: str, model: str) -> None:
    assert cost(provider, model) is None


def test_output_is_free_where_the_list_has_no_price_for_it() -> None:
    assert cost("openai", "text-embedding-3-small", made=MILLION) == Decimal("0.02")


def test_tokens_from_the_cache_are_part_of_the_input_and_cheaper() -> None:
    assert cost("openai", "gpt-5", given=MILLION, cached=MILLION // 2) == Decimal("0.6875")


def test_more_cached_tokens_than_input_are_taken_as_all_of_it() -> None:
    assert cost("openai", "gpt-5", cached=2 * MILLION) == cost("openai", "gpt-5", cached=MILLION)


def test_many_short_requests_are_not_charged_as_one_long_one() -> None:
    short = cost("gemini", "gemini-2.5-pro", of=1000)
    long = cost("gemini", "gemini-2.5-pro", of=2)

    assert (short, long) == (Decimal("1.25"), Decimal("2.5"))


def test_a_fee_for_each_request_is_paid_for_each() -> None:
    one, thousand = (cost("perplexity", "sonar", of=number) for number in (1, 1000))

    assert 900 < (thousand - 1) / (one - 1) <= 1000


def test_failures_cost_nothing() -> None:
    assert cost("openai", "our-own-model", given=0, of=0) == 0


def test_the_cost_of_responses_without_token_counts_is_unknown() -> None:
    assert cost("openai", "gpt-5", given=0, of=3) is None


def test_the_price_does_not_change_with_the_time_of_day() -> None:
    assert prices._midday().hour == 12


def test_prices_come_from_the_package_and_never_from_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    prices._find.cache_clear()

    assert cost("openai", "gpt-5-nano") == Decimal("0.05")
    assert not get_snapshot().from_auto_update
