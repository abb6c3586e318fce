"""Providers and auth schemes that operators declare."""

import hashlib
import json
from collections.abc import Collection

from django.db import transaction
from django.forms.models import model_to_dict

from apikeys.models import AuthScheme, Provider
from gatewayproject.accounts.actors import Actor
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.console.conflict import Conflict

Declaration = Provider | AuthScheme


def create_provider(provider: Provider, *, by: Actor) -> AuthScheme | None:
    """Save an own provider. With a base URL, it gets the scheme that most servers use."""
    with transaction.atomic():
        provider.save(force_insert=True)
        scheme = _bearer_scheme(provider) if provider.base_url else None
        if scheme is not None:
            scheme.full_clean()
            scheme.save()
        note = f"with the authentication method {scheme.name}" if scheme else ""
        AuditEvent.record(by, "created", provider, fields=["name", "slug", "base_url"], note=note)
    return scheme


def update_provider(provider: Provider, *, by: Actor, changed: Collection[str], seen: str) -> None:
    """Save an own provider. Its new base URL applies to new keys; existing ones keep theirs."""
    with transaction.atomic():
        _lock(provider, seen)
        before = Provider.objects.get(pk=provider.pk).base_url
        save_declaration(provider, by=by, changed=changed, seen=seen)
        if provider.base_url != before:
            for scheme in provider.schemes.filter(built_in=False):
                if not scheme.specs:
                    continue  # malformed
                fields = [
                    {**field, "default": provider.base_url}
                    if before and field.get("default") == before
                    else field
                    for field in scheme.fields
                ]
                if provider.base_url and fields != scheme.fields:
                    AuthScheme.objects.filter(pk=scheme.pk).update(fields=fields)


def save_declaration(
    declaration: Declaration, *, by: Actor, changed: Collection[str], seen: str = ""
) -> None:
    """Save an own provider or scheme of which the fields ``changed`` differ.

    ``seen`` is the digest of the row that the user saw. Raises ``Conflict`` if it has changed.
    """
    action = "created" if declaration._state.adding else "edited"
    with transaction.atomic():
        if action == "edited":
            _lock(declaration, seen)
        declaration.save()
        if changed or action == "created":
            AuditEvent.record(by, action, declaration, fields=changed)


def digest_of(declaration: Declaration) -> str:
    """Return a digest of what a form shows of ``declaration``."""
    values = model_to_dict(declaration)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _lock(declaration: Declaration, seen: str) -> None:
    """Lock the stored row. Raises ``Conflict`` if it is no longer as ``seen``."""
    rows = type(declaration).objects.select_for_update().order_by("pk")
    stored = rows.filter(pk=declaration.pk).first()
    if stored is None or digest_of(stored) != seen:
        raise Conflict


def delete_declaration(declaration: Declaration, *, by: Actor) -> None:
    """Delete an own provider or scheme. Raises ``ProtectedError`` while API keys use it."""
    with transaction.atomic():
        AuditEvent.record(by, "deleted", declaration)
        declaration.delete()


def _bearer_scheme(provider: Provider) -> AuthScheme:
    """Return the scheme of an OpenAI-compatible server."""
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
