"""How an endpoint is called: ready snippets, and a panel to try it."""

import json
from typing import Any

from django import template
from django.urls import reverse

from endpoints.models import Endpoint
from endpoints.services.native_example import native_example
from endpoints.services.routes import dialects_of, embeds, operations_of, titled

register = template.Library()

# OpenAI's newer API, and the only one that Codex supports: it refuses wire_api = "chat" since
# 0.122. Source: github.com/openai/codex/discussions/7782.
RESPONSES = "responses"

# Name, template, and the API that the endpoint's provider has to serve.
SNIPPETS = (
    ("curl", "curl", "openai"),
    ("OpenAI SDK", "openai", "openai"),
    ("Anthropic SDK", "anthropic", "anthropic"),
    ("Google Gen AI SDK", "google", "google"),
    ("LangChain", "langchain", "openai"),
    ("LlamaIndex", "llama_index", "openai"),
    ("LiteLLM", "litellm", "openai"),
    ("OpenAI Agents SDK", "openai_agents", "openai"),
    ("Vercel AI SDK", "ai_sdk", "openai"),
    ("Claude Code", "claude_code", "anthropic"),
    ("Codex", "codex", RESPONSES),
    ("Gemini CLI", "gemini_cli", "google"),
    ("Raw provider API", "native", ""),
)
EMBEDDING_SNIPPETS = (
    ("curl", "embeddings/curl", "openai"),
    ("OpenAI SDK", "embeddings/openai", "openai"),
    ("Google Gen AI SDK", "embeddings/google", "google"),
    ("LangChain", "embeddings/langchain", "openai"),
    ("LlamaIndex", "embeddings/llama_index", "openai"),
    ("LiteLLM", "embeddings/litellm", "openai"),
    ("Vercel AI SDK", "embeddings/ai_sdk", "openai"),
    ("Raw provider API", "native", ""),
)
EMBEDS = {"openai", "google"}  # Anthropic has no API for embeddings


@register.inclusion_tag("endpoints/calling.html", takes_context=True)
def calling(context: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """Show how ``endpoint`` is called, as far as its provider's APIs go."""
    request = context["request"]
    routes = endpoint.routes.all()
    keys = [route.api_key for route in routes if route.api_key]
    dialects = dialects_of(keys)
    apis = {"", *dialects}
    if keys and all(RESPONSES in operations_of(key, "openai") for key in keys):
        apis.add(RESPONSES)
    is_embedding = embeds(routes)
    snippets = EMBEDDING_SNIPPETS if is_embedding else SNIPPETS
    tried = [dialect for dialect in dialects if dialect in EMBEDS or not is_embedding]
    may_try = endpoint.is_in_use() and request.user.has_perm("endpoints.change_endpoint")
    return {
        "endpoint": endpoint,
        "gateway": request.build_absolute_uri("/gateway"),
        "native": native_example(next((route for route in routes if route.api_key), None)),
        "native_url": request.build_absolute_uri(f"/gateway/{endpoint.name}"),
        "snippets": [
            {"name": name, "template": f"endpoints/snippets/{path}.txt", "id": f"snippet-{number}"}
            for number, (name, path, api) in enumerate(snippets)
            if api in apis
        ],
        "dialect": next(iter(tried), "") if may_try else "",
        "embeds": is_embedding,
        "route_titles": json.dumps({route.pk: title for title, route in titled(routes)}),
        "try_url": reverse("endpoints:try", args=[endpoint.name]),
        "csrf_token": context.get("csrf_token"),
        "perms": context.get("perms"),
    }
