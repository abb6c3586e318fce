"""What ``make demo`` shows: keys of several providers, endpoints, a token, a month of traffic."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from apikeys.actors import Actor
from apikeys.models import ApiKey, AuthScheme
from apikeys.services import create_api_key
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.models.usage import COUNTS, LATENCIES, LATENCY_BOUNDS
from endpoints.services import UsageKey, add_usage, create_endpoint, create_token

DAYS = 30
BY = Actor("demo", channel="command")

# Name, provider, path of its base URL, environment, team.
KEYS = (
    ("openai-production", "openai", "/v1", "production", "Platform"),
    ("openai-evaluation", "openai", "/v1", "staging", "Research"),
    ("anthropic-shared", "anthropic", "", "production", "Platform"),
    ("gemini-search", "gemini", "", "production", "Search"),
    ("groq-fast", "groq", "/openai/v1", "production", "Search"),
)
# Name, what it is for, and its routes: key, model, weight; none for a fallback.
ENDPOINTS = (
    (
        "assistant",
        "The help assistant. Splits its traffic, and falls back to Anthropic.",
        (
            ("openai-production", "gpt-5-mini", 80),
            ("groq-fast", "llama-3.3-70b-versatile", 20),
            ("anthropic-shared", "claude-haiku-4-5", None),
        ),
    ),
    ("writer", "Long texts.", (("anthropic-shared", "claude-sonnet-4-5", 100),)),
    ("search", "Answers over search results.", (("gemini-search", "gemini-2.5-flash", 100),)),
    ("embed", "Vectors for the index.", (("openai-production", "text-embedding-3-small", 100),)),
    (
        "unlucky",
        "Its provider is always down, so that one can watch the fallback serve.",
        (("openai-evaluation", "fail-503", 100), ("groq-fast", "llama-3.1-8b-instant", None)),
    ),
)


class Sample(NamedTuple):
    """What was made."""

    token: str
    endpoints: list[str]


def make_sample(provider_url: str) -> Sample:
    """Fill an empty database; every key leads to ``provider_url``."""
    keys = {name: _make_key(name, *rest, provider_url) for name, *rest in KEYS}
    endpoints = [_make_endpoint(name, text, routes, keys) for name, text, routes in ENDPOINTS]
    token = GatewayToken(name="demo-app", all_endpoints=True)
    plaintext = create_token(token, [], by=BY)
    add_usage(_history(endpoints, token), datetime.now(UTC))
    return Sample(plaintext, [endpoint.name for endpoint in endpoints])


def _make_key(
    name: str, provider: str, path: str, environment: str, team: str, provider_url: str
) -> ApiKey:
    scheme = AuthScheme.objects.select_related("provider").get(
        provider__slug=provider, slug="api_key"
    )
    key = ApiKey(
        name=name,
        scheme=scheme,
        config={"api_base": f"{provider_url}{path}"},
        secrets={"api_key": f"made-up-{provider}-key-for-the-demo-{name[-4:]}"},
        environment=environment,
        team=team,
    )
    return create_api_key(key, by=BY)


def _make_endpoint(
    name: str,
    description: str,
    routes: tuple[tuple[str, str, int | None], ...],
    keys: dict[str, ApiKey],
) -> Endpoint:
    made = [
        Route(
            api_key=keys[key],
            model=model,
            kind=Route.Kind.PRIMARY if weight else Route.Kind.FALLBACK,
            weight=weight or 100,
            position=position,
        )
        for position, (key, model, weight) in enumerate(routes)
    ]
    return create_endpoint(Endpoint(name=name, description=description), made, by=BY)


def _history(endpoints: list[Endpoint], token: GatewayToken) -> dict[UsageKey, list[int]]:
    """Make up a month: more by day than by night, less at the weekend."""
    chance = random.Random(7)  # noqa: S311 - the same month for everybody
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    counts: dict[UsageKey, list[int]] = {}
    for endpoint in endpoints:
        size = chance.randint(20, 90)
        for route in endpoint.routes.all():
            share = route.weight / 100 if route.kind == Route.Kind.PRIMARY else 0.03
            for age in range(1, DAYS * 24):
                hour = now - timedelta(hours=age)
                busy = 1 + 0.8 * math.sin((hour.hour - 8) / 24 * math.tau)
                week = 0.3 if hour.weekday() > 4 else 1
                requests = round(size * share * busy * week * chance.uniform(0.5, 1.5))
                if requests:
                    key = (
                        int(hour.timestamp()) // 3600,
                        endpoint.pk,
                        route.pk,
                        route.api_key_id,
                        token.pk,
                        route.model,
                    )
                    counts[key] = _hour(requests, route.model.startswith("fail"), chance)
    return counts


def _hour(requests: int, fails: bool, chance: random.Random) -> list[int]:
    columns = dict.fromkeys((*COUNTS, *LATENCIES), 0)
    columns["requests"] = requests
    columns["provider_errors"] = requests if fails else int(requests * chance.uniform(0, 0.03))
    columns["rate_limited"] = 0 if fails else int(requests * chance.uniform(0, 0.04))
    answered = requests - columns["provider_errors"] - columns["rate_limited"]
    columns["input_tokens"] = answered * chance.randint(500, 1500)
    columns["cached_tokens"] = int(columns["input_tokens"] * chance.uniform(0.1, 0.4))
    columns["output_tokens"] = answered * chance.randint(120, 400)
    for _ in range(requests):
        duration = int(chance.lognormvariate(6.6, 0.7))
        columns["duration_ms"] += duration
        place = sum(bound < duration for bound in LATENCY_BOUNDS)
        columns[LATENCIES[place]] += 1
    return list(columns.values())
