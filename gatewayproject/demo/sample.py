"""The data of ``make demo``: keys, endpoints, tokens and a month of usage."""

import math
import random
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from django.utils import timezone

from apikeys.models import ApiKey, AuthScheme, KeyDraft
from apikeys.sealing import Secrets
from apikeys.services import create_api_key
from endpoints.models import Endpoint, GatewayToken, Route
from endpoints.services import create_endpoint, create_token
from endpoints.services.routes import embeds
from endpoints.usage.counts import Counts
from endpoints.usage.latency import LATENCY_BOUNDS
from endpoints.usage.services import UsageKey, UsageOwner, add_usage
from gatewayproject.accounts.actors import Actor

DAYS = 30
BY = Actor("demo", channel="command")


class SampleKey(NamedTuple):
    name: str
    provider: str
    base_path: str
    environment: str
    team: str
    expires_days: int | None


class SampleRoute(NamedTuple):
    key: str
    model: str
    weight: int | None  # None for a fallback


class SampleEndpoint(NamedTuple):
    name: str
    description: str
    routes: tuple[SampleRoute, ...]


KEYS = (
    SampleKey("openai-production", "openai", "/v1", "production", "Platform", 300),
    SampleKey("openai-evaluation", "openai", "/v1", "staging", "Research", None),
    SampleKey("anthropic-shared", "anthropic", "", "production", "Platform", None),
    SampleKey("gemini-search", "gemini", "", "production", "Search", None),
    SampleKey("groq-fast", "groq", "/openai/v1", "production", "Search", 9),
)
TOKENS = ("demo-app", "nightly-batch")  # the second is used at night
ENDPOINTS = (
    SampleEndpoint(
        "assistant",
        "The help assistant. Splits its traffic and falls back to Anthropic.",
        (
            SampleRoute("openai-production", "gpt-5-mini", 80),
            SampleRoute("groq-fast", "llama-3.3-70b-versatile", 20),
            SampleRoute("anthropic-shared", "claude-haiku-4-5", None),
        ),
    ),
    SampleEndpoint(
        "writer", "Long texts.", (SampleRoute("anthropic-shared", "claude-sonnet-4-5", 100),)
    ),
    SampleEndpoint(
        "search",
        "Summaries of search results.",
        (SampleRoute("gemini-search", "gemini-2.5-flash", 100),),
    ),
    SampleEndpoint(
        "embed",
        "Embeddings for the search index.",
        (SampleRoute("openai-production", "text-embedding-3-small", 100),),
    ),
    SampleEndpoint(
        "unlucky",
        "Its provider is always down, so the fallback serves every request.",
        (
            SampleRoute("openai-evaluation", "fail-503", 100),
            SampleRoute("groq-fast", "llama-3.1-8b-instant", None),
        ),
    ),
)


class Sample(NamedTuple):
    """What the demo prints and calls."""

    token: str
    endpoints: list[str]


def create_sample(provider_url: str) -> Sample:
    """Fill an empty database. Every key is sent to ``provider_url``."""
    keys = {sample.name: _create_key(sample, provider_url) for sample in KEYS}
    endpoints = [_create_endpoint(sample, keys) for sample in ENDPOINTS]
    token, batch = (GatewayToken(name=name, all_endpoints=True) for name in TOKENS)
    plaintext = create_token(token, [], by=BY)
    create_token(batch, [], by=BY)
    add_usage(_usage(endpoints, [token, batch]), datetime.now(UTC))
    return Sample(plaintext, [endpoint.name for endpoint in endpoints])


def _create_key(sample: SampleKey, provider_url: str) -> ApiKey:
    scheme = AuthScheme.objects.select_related("provider").get(
        provider__slug=sample.provider, slug="api_key"
    )
    ending = sha256(sample.name.encode()).hexdigest()[:4]
    expires_at = None
    if sample.expires_days:
        expires_at = timezone.now() + timedelta(days=sample.expires_days, hours=1)
    draft = KeyDraft(
        scheme,
        {
            "name": sample.name,
            "environment": sample.environment,
            "team": sample.team,
            "expires_at": expires_at,
        },
        {"api_base": f"{provider_url}{sample.base_path}"},
        Secrets({"api_key": f"made-up-{sample.provider}-key-for-the-demo-{ending}"}),
    )
    return create_api_key(draft.check(), by=BY).api_key


def _create_endpoint(sample: SampleEndpoint, keys: dict[str, ApiKey]) -> Endpoint:
    routes = [
        Route(
            api_key=keys[route.key],
            model=route.model,
            kind=Route.Kind.PRIMARY if route.weight else Route.Kind.FALLBACK,
            weight=route.weight or 100,
            position=position,
        )
        for position, route in enumerate(sample.routes)
    ]
    endpoint = Endpoint(name=sample.name, description=sample.description)
    return create_endpoint(endpoint, routes, by=BY)


def _usage(endpoints: list[Endpoint], tokens: list[GatewayToken]) -> dict[UsageKey, Counts]:
    """Generate a month of usage: more by day than by night, less on weekends."""
    generator = random.Random(7)  # noqa: S311 - reproducible, and no secret
    now = datetime.now(UTC)
    counts: dict[UsageKey, Counts] = {}
    for endpoint in endpoints:
        size = generator.randint(20, 90)
        routes = list(endpoint.routes.all())
        fallback_share = 1 if any(_fails(route) for route in routes) else 0.03
        for route in routes:
            share = route.weight / 100 if route.kind == Route.Kind.PRIMARY else fallback_share
            for age in range(DAYS * 24):
                hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=age)
                daytime = 1 + 0.8 * math.sin((hour.hour - 8) / 24 * math.tau)
                weekday = 0.3 if hour.weekday() > 4 else 1
                elapsed = min(1, (now - hour) / timedelta(hours=1))
                spread = generator.uniform(0.5, 1.5)
                requests = round(size * share * daytime * weekday * elapsed * spread)
                if requests:
                    owner = UsageOwner(
                        endpoint.pk,
                        route.pk,
                        route.api_key_id,
                        tokens[1 if hour.hour < 5 else 0].pk,
                        route.model,
                    )
                    counts[int(hour.timestamp()) // 3600, owner] = _hour(requests, route, generator)
    return counts


def _hour(requests: int, route: Route, generator: random.Random) -> Counts:
    counts = Counts(requests)
    if _fails(route):
        counts.provider_errors = counts.failures_in_a_row = requests
    else:
        counts.provider_errors = int(requests * generator.uniform(0, 0.03))
        counts.rate_limited = int(requests * generator.uniform(0, 0.04))
    counts.input_tokens = counts.answered * generator.randint(500, 1500)
    is_embedding = embeds([route])
    if not is_embedding:
        counts.cached_tokens = int(counts.input_tokens * generator.uniform(0.1, 0.4))
        counts.output_tokens = counts.answered * generator.randint(120, 400)
    for number in range(requests):
        duration = int(generator.lognormvariate(4.8 if is_embedding else 6.6, 0.7))
        counts.duration_ms += duration
        counts.latencies[bisect_left(LATENCY_BOUNDS, duration)] += 1
        if number < counts.answered:
            counts.first_byte_ms += duration // 2
            counts.first_bytes[bisect_left(LATENCY_BOUNDS, duration // 2)] += 1
    return counts


def _fails(route: Route) -> bool:
    return route.model.startswith("fail")
