"""Bring the built-in providers from the data file into the database."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apikeys.catalogue.loading import load_catalogue
from apikeys.models import AuthScheme, Provider


@dataclass(slots=True)
class SyncReport:
    created: int = 0
    updated: int = 0
    unchanged: int = 0


def sync_providers() -> SyncReport:
    """Update the built-in rows from the data file. Own providers do not change.

    A scheme that was removed from the file is kept while keys use it.
    """
    with transaction.atomic():
        rows = {provider.slug: provider for provider in Provider.objects.all()}
        own_names = {provider.name for provider in rows.values() if not provider.built_in}
        entries = [
            (position, entry)
            for position, entry in enumerate(load_catalogue())
            if entry["slug"] not in rows or rows[entry["slug"]].built_in
        ]
        providers = _Rows(Provider)
        for position, entry in entries:
            slug, name = entry["slug"], entry["name"]
            provider = rows.setdefault(slug, Provider(slug=slug))
            name = f"{name} (built in)" if name in own_names else name
            providers.take(provider, {**_provider_values(entry, position), "name": name})
        providers.write()

        stored = {(scheme.provider_id, scheme.slug): scheme for scheme in AuthScheme.objects.all()}
        schemes = _Rows(AuthScheme)
        for _, entry in entries:
            provider = rows[entry["slug"]]
            for number, item in enumerate(entry["scheme"]):
                scheme = stored.pop((provider.pk, item["slug"]), None)
                scheme = scheme or AuthScheme(provider=provider, slug=item["slug"])
                schemes.take(scheme, _scheme_values(item, number))
        schemes.write()

        gone = [scheme.pk for scheme in stored.values() if scheme.built_in]
        AuthScheme.objects.filter(pk__in=gone, api_keys=None).delete()
    return SyncReport(
        created=len(providers.created) + len(schemes.created),
        updated=len(providers.updated) + len(schemes.updated),
        unchanged=providers.unchanged + schemes.unchanged,
    )


def _provider_values(entry: dict[str, Any], position: int) -> dict[str, Any]:
    facts = {key: entry[key] for key in ("key_patterns", "other_base_urls") if key in entry}
    return {
        "name": entry["name"],
        "group": entry["group"],
        "position": position,
        "base_url": entry.get("base_url", ""),
        "keys_url": entry.get("keys_url", ""),
        "revoke_url": entry.get("revoke_url", ""),
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


class _Rows:
    """Rows of one table to write: in one statement for the new ones and one for the others."""

    def __init__(self, model: type[Provider] | type[AuthScheme]) -> None:
        self.model = model
        self.fields: set[str] = set()
        self.created: list[Any] = []
        self.updated: list[Any] = []
        self.unchanged = 0

    def take(self, row: Provider | AuthScheme, values: dict[str, Any]) -> None:
        """Set ``values`` on ``row``, to be written if something differs."""
        if row.pk is None:
            self.created.append(row)
        elif any(getattr(row, name) != value for name, value in values.items()):
            self.updated.append(row)
        else:
            self.unchanged += 1
        for name, value in values.items():
            setattr(row, name, value)
        self.fields.update(values)

    def write(self) -> None:
        self.model.objects.bulk_create(self.created)
        if self.updated:
            self.model.objects.bulk_update(self.updated, self.fields)
