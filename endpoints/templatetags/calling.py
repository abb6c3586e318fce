"""How an endpoint is called: ready snippets, and a panel to try it."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.urls import reverse

from apikeys.models import ApiKey
from endpoints.models import Endpoint

register = template.Library()

# OpenAI's newer API, and the only one that Codex speaks: wire_api = "chat" is refused since 0.122.
# Sources: the API references of those who serve it; github.com/openai/codex/discussions/7782.
RESPONSES = "responses"
SERVE_RESPONSES = {"openai", "azure", "openrouter"}

# Name, template, and the API that the endpoint's provider has to serve.
SNIPPETS = (
    ("curl", "curl", "openai"),
    ("OpenAI SDK", "openai", "openai"),
    ("Anthropic SDK", "anthropic", "anthropic"),
    ("Google Gen AI SDK", "google", "google"),
    ("LangChain", "langchain", "openai"),
    ("Claude Code", "claude_code", "anthropic"),
    ("Codex", "codex", RESPONSES),
    ("Any path of the provider", "native", ""),
)


@register.inclusion_tag("endpoints/calling.html", takes_context=True)
def calling(context: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """Show how ``endpoint`` is called, as far as its provider's APIs go."""
    request = context["request"]
    keys = [route.api_key for route in endpoint.routes.all() if route.api_key]
    dialects = _dialects(keys)
    apis = {"", *dialects, *_responses(keys)}
    is_active = endpoint.state() == Endpoint.State.ACTIVE
    may_try = is_active and request.user.has_perm("endpoints.change_endpoint")
    return {
        "endpoint": endpoint,
        "gateway": request.build_absolute_uri("/gateway"),
        "native_url": request.build_absolute_uri(f"/gateway/{endpoint.name}"),
        "snippets": [
            {"name": name, "template": f"endpoints/snippets/{slug}.txt", "id": f"snippet-{slug}"}
            for name, slug, api in SNIPPETS
            if api in apis
        ],
        "dialect": next(iter(dialects), "") if may_try else "",
        "try_url": reverse("endpoints:try", args=[endpoint.name]),
        "csrf_token": context.get("csrf_token"),
        "perms": context.get("perms"),
    }


def _dialects(keys: Sequence[ApiKey]) -> list[str]:
    """Return what all keys' APIs speak, OpenAI's first."""
    spoken = [set(key.scheme.transport.get("dialects", {"openai": {}})) for key in keys]
    return [
        dialect
        for dialect in ("openai", "anthropic", "google")
        if spoken and all(dialect in each for each in spoken)
    ]


def _responses(keys: Sequence[ApiKey]) -> list[str]:
    serve = keys and all(key.scheme.provider.slug in SERVE_RESPONSES for key in keys)
    return [RESPONSES] if serve else []
