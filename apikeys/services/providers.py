"""Own providers and auth schemes: what operators declare without a deploy."""

from collections.abc import Collection

from django.db import transaction

from apikeys.actors import Actor
from apikeys.models import AuthScheme, Event, Provider

Declaration = Provider | AuthScheme


def create_provider(provider: Provider, *, by: Actor) -> AuthScheme | None:
    """Save an own provider; with a base URL, it gets the scheme that most servers speak."""
    with transaction.atomic():
        provider.save(force_insert=True)
        scheme = _bearer_scheme(provider) if provider.base_url else None
        if scheme is not None:
            scheme.full_clean()
            scheme.save()
        note = f"with the authentication method {scheme.name}" if scheme else ""
        Event.record(by, "created", provider, fields=["name", "slug", "base_url"], note=note)
    return scheme


def update_provider(provider: Provider, *, by: Actor, changed: Collection[str]) -> None:
    """Save an own provider. New keys begin with its new base URL; those that exist keep theirs."""
    with transaction.atomic():
        before = Provider.objects.select_for_update().get(pk=provider.pk).base_url
        save_declaration(provider, by=by, changed=changed)
        if provider.base_url != before:
            for scheme in provider.schemes.filter(built_in=False):
                _follow(scheme, before, provider.base_url)


def save_declaration(declaration: Declaration, *, by: Actor, changed: Collection[str]) -> None:
    """Save an own provider or scheme of which the fields ``changed`` differ."""
    act = "created" if declaration._state.adding else "edited"
    with transaction.atomic():
        declaration.save()
        if changed or act == "created":
            Event.record(by, act, declaration, fields=changed)


def delete_declaration(declaration: Declaration, *, by: Actor) -> None:
    """Delete an own provider or scheme. Raises ``ProtectedError`` while API keys use it."""
    with transaction.atomic():
        Event.record(by, "deleted", declaration)
        declaration.delete()


def _bearer_scheme(provider: Provider) -> AuthScheme:
    """Return what an OpenAI-compatible server asks for."""
    return AuthScheme(
        provider=provider,
        slug="api_key",
        name="API key",
        fields=[
            {
                "name": "api_key",
                "label": "API key",
                "secret": True,
                "required": True,
                "kind": "password",
            },
            {
                "name": "api_base",
                "label": "API base URL",
                "kind": "url",
                "format": "https_url",
                "default": provider.base_url,
            },
        ],
        transport={"base_url": "{api_base}", "headers": {"Authorization": "Bearer {api_key}"}},
    )


def _follow(scheme: AuthScheme, before: str, after: str) -> None:
    """Let defaults that repeated the provider's base URL go on doing so."""
    fields = [
        {**field, "default": after} if before and field.get("default") == before else field
        for field in scheme.fields
    ]
    if after and fields != scheme.fields:
        AuthScheme.objects.filter(pk=scheme.pk).update(fields=fields)
