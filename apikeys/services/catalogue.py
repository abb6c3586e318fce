"""Bring the built-in providers from the data file into the database."""

from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from apikeys.catalogue.loading import load_catalogue
from apikeys.models import AuthScheme, Provider


@dataclass(slots=True)
class SyncReport:
    created: int = 0
    updated: int = 0
    unchanged: int = 0


def sync_providers() -> SyncReport:
    """Make the built-in rows what the data file says. Own providers stay as they are.

    A scheme that left the file stays while keys use it, so that they go on working.
    """
    report = SyncReport()
    with transaction.atomic():
        providers = {provider.slug: provider for provider in Provider.objects.all()}
        schemes = {(scheme.provider_id, scheme.slug): scheme for scheme in AuthScheme.objects.all()}
        own_names = {provider.name for provider in providers.values() if not provider.built_in}
        for position, entry in enumerate(load_catalogue()):
            provider = providers.get(entry["slug"]) or Provider(slug=entry["slug"], built_in=True)
            if not provider.built_in:
                continue
            name = f"{entry['name']} (built in)" if entry["name"] in own_names else entry["name"]
            _bring(provider, {**_provider_values(entry, position), "name": name}, report)
            for number, item in enumerate(entry["scheme"]):
                key = (provider.pk, item["slug"])
                scheme = schemes.pop(key, None) or AuthScheme(provider=provider, slug=item["slug"])
                _bring(scheme, _scheme_values(item, number), report)
        gone = [scheme.pk for scheme in schemes.values() if scheme.built_in]
        AuthScheme.objects.filter(pk__in=gone, api_keys=None).delete()
    return report


def _provider_values(entry: dict[str, Any], position: int) -> dict[str, Any]:
    facts = {key: entry[key] for key in ("key_patterns", "other_base_urls") if key in entry}
    return {
        "name": entry["name"],
        "group": entry["group"],
        "position": position,
        "base_url": entry.get("base_url", ""),
        "aliases": entry.get("aliases", []),
        "facts": facts,
        "built_in": True,
    }


def _scheme_values(item: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "name": item["name"],
        "position": 0 if item["is_default"] else number + 1,
        "ambient": item["ambient"],
        "fields": item["fields"],
        "transport": item["transport"],
        "verify": item["verify"],
        "built_in": True,
    }


def _bring(row: models.Model, values: dict[str, Any], report: SyncReport) -> None:
    """Set ``values`` on ``row``; write only where something differs."""
    if row.pk is None:
        report.created += 1
    elif all(getattr(row, name) == value for name, value in values.items()):
        report.unchanged += 1
        return
    else:
        report.updated += 1
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
