"""How an endpoint is called: ready snippets, and a panel to try it."""

from typing import Any

from django import template
from django.urls import reverse

from endpoints.models import Endpoint

register = template.Library()

# Name, template, and the dialect that the endpoint's provider has to speak.
SNIPPETS = (
    ("curl", "curl", "openai"),
    ("OpenAI SDK", "openai", "openai"),
    ("Anthropic SDK", "anthropic", "anthropic"),
    ("Google Gen AI SDK", "google", "google"),
    ("LangChain", "langchain", "openai"),
    ("Claude Code", "claude_code", "anthropic"),
    ("Codex", "codex", "openai"),
    ("Any path of the provider", "native", ""),
)


@register.inclusion_tag("endpoints/calling.html", takes_context=True)
def calling(context: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """Show how ``endpoint`` is called, as far as its provider's APIs go."""
    request = context["request"]
    dialects = _dialects(endpoint)
    may_try = request.user.has_perm("endpoints.change_endpoint")
    return {
        "endpoint": endpoint,
        "gateway": request.build_absolute_uri("/gateway"),
        "native_url": request.build_absolute_uri(f"/gateway/{endpoint.name}"),
        "snippets": [
            {"name": name, "template": f"endpoints/snippets/{slug}.txt", "id": f"snippet-{slug}"}
            for name, slug, dialect in SNIPPETS
            if not dialect or dialect in dialects
        ],
        "dialect": next(iter(dialects), "") if may_try and endpoint.state() == "active" else "",
        "try_url": reverse("endpoints:try", args=[endpoint.name]),
        "csrf_token": context.get("csrf_token"),
        "perms": context.get("perms"),
    }


def _dialects(endpoint: Endpoint) -> list[str]:
    """Return what all routes with a key speak, OpenAI's first."""
    keys = [route.api_key for route in endpoint.routes.all() if route.api_key]
    spoken = [set(key.scheme.transport.get("dialects", {"openai": {}})) for key in keys]
    return [
        dialect
        for dialect in ("openai", "anthropic", "google")
        if spoken and all(dialect in each for each in spoken)
    ]
