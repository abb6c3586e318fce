"""What depends on an API key. The endpoints app registers here; this app never imports it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from apikeys.actors import Actor

if TYPE_CHECKING:
    from .models import ApiKey


@dataclass(frozen=True, slots=True)
class Dependent:
    """One endpoint that uses a key."""

    name: str
    url: str
    active: bool
    left_without_key: bool  # it has no other route with a key


@dataclass(frozen=True, slots=True)
class BlastRadius:
    """Which endpoints an act on a key would touch."""

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
        """A short text that differs when anything in the picture differs."""
        return hashlib.sha256(repr(self.dependents).encode()).hexdigest()[:16]


class Registry(Protocol):
    """What an app that uses keys has to answer."""

    def of(self, api_key: "ApiKey") -> BlastRadius: ...

    def counts(self, ids: Iterable[UUID]) -> Mapping[UUID, int]: ...

    def move(self, api_key: "ApiKey", replacement: "ApiKey | None", *, by: Actor) -> None:
        """Point every dependent at ``replacement``, or at no key, in the current transaction."""
        ...


class _Nothing:
    def of(self, api_key: "ApiKey") -> BlastRadius:
        return BlastRadius()

    def counts(self, ids: Iterable[UUID]) -> Mapping[UUID, int]:
        return {}

    def move(self, api_key: "ApiKey", replacement: "ApiKey | None", *, by: Actor) -> None:
        return None


_registered: Registry = _Nothing()


def register(registry: Registry) -> None:
    """Make ``registry`` the one that answers. Called once, when the endpoints app is ready."""
    global _registered
    _registered = registry


def registry() -> Registry:
    """Return who answers for dependents."""
    return _registered
