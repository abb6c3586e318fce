"""What depends on an API key. The endpoints app registers here; this app never imports it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from django.db.models import Value
from django.db.models.expressions import Combinable

from gatewayproject.accounts.actors import Actor

from .models import ApiKey


@dataclass(frozen=True, slots=True)
class Dependent:
    """One endpoint that uses a key."""

    name: str
    url: str
    active: bool
    left_without_key: bool  # it has no other route that can serve
    # How a badge shows whether it serves. Both change with the traffic, so not in the digest.
    state: str = field(default="", repr=False)
    tone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """Which endpoints an action on one or several keys would affect."""

    dependents: tuple[Dependent, ...] = ()

    def __len__(self) -> int:
        return len(self.dependents)

    @property
    def active(self) -> list[Dependent]:
        return [dependent for dependent in self.dependents if dependent.active]

    @property
    def left_without_key(self) -> list[Dependent]:
        return [dependent for dependent in self.dependents if dependent.left_without_key]

    def digest(self) -> str:
        """A short string that changes when any of the dependents changes."""
        return hashlib.sha256(repr(self.dependents).encode()).hexdigest()[:16]


class Registry(Protocol):
    """What an app that uses keys provides."""

    def of(self, *api_keys: ApiKey) -> BlastRadius:
        """Return what uses any of the keys, and what would stop working without all of them."""
        ...

    def counts(self, ids: Iterable[UUID]) -> Mapping[UUID, int]: ...

    def count(self) -> Combinable:
        """Return the same as a column of a query for API keys."""
        ...

    def replace(
        self, api_keys: Collection[ApiKey], replacement: ApiKey | None, *, by: Actor
    ) -> None:
        """Point all that uses keys which are about to be deleted at ``replacement``, or at no key.

        In the current transaction, like ``move``.
        """
        ...

    def move(self, api_key: ApiKey, target: ApiKey, *, names: Collection[str], by: Actor) -> None:
        """Point the dependents of these names at ``target``."""
        ...


class _Nothing:
    def of(self, *api_keys: ApiKey) -> BlastRadius:
        return BlastRadius()

    def counts(self, ids: Iterable[UUID]) -> Mapping[UUID, int]:
        return {}

    def count(self) -> Combinable:
        return Value(0)

    def replace(
        self, api_keys: Collection[ApiKey], replacement: ApiKey | None, *, by: Actor
    ) -> None:
        return None

    def move(self, api_key: ApiKey, target: ApiKey, *, names: Collection[str], by: Actor) -> None:
        return None


_registered: Registry = _Nothing()


def register(registry: Registry) -> None:
    """Register ``registry``. Called once, when the endpoints app is ready."""
    global _registered
    _registered = registry


def registry() -> Registry:
    """Return the registered registry."""
    return _registered


def blast_radius_of(*api_keys: ApiKey) -> BlastRadius:
    """Return what uses any of the keys, and what would stop working without all of them."""
    return _registered.of(*api_keys) if api_keys else BlastRadius()
