"""Tokens, endpoints and routes, read from the database.

A committed change applies to every request that arrives afterwards. So nothing is kept here without
a proof that it is still current: SQLite shows by ``PRAGMA data_version`` whether
anything was committed to the file since; PostgreSQL is queried each time, with one query for all
requests that arrived before it was sent. ``last_known`` has the exception.

The queries are plain SQL on connections of their own. Django's ORM takes a hundred times as long
here, and its connections belong to threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, overload
from uuid import UUID

from apikeys.models.credential_version import owner_of
from apikeys.sealing import Sealed

FIND = """
SELECT {extra} t.id, t.expires_at, t.revoked_at, e.id, e.enabled, e.sticky,
       t.all_endpoints OR EXISTS (
           SELECT 1 FROM endpoints_gatewaytoken_endpoints te
            WHERE te.gatewaytoken_id = t.id AND te.endpoint_id = e.id),
       r.id, r.kind, r.weight, r.model,
       k.id, k.name, k.refused_at, k.restricted, k.config{text}, v.id, v.sealed, s.transport{text},
       k.enabled
  FROM {source}
  LEFT JOIN endpoints_endpoint e ON e.name = {name}
  LEFT JOIN endpoints_route r ON r.endpoint_id = e.id
  LEFT JOIN apikeys_apikey k ON k.id = r.api_key_id
  LEFT JOIN apikeys_credentialversion v ON v.id = k.current_id
  LEFT JOIN apikeys_authscheme s ON s.id = k.scheme_id
 {where}
 ORDER BY r.kind DESC, r.position, r.id
"""
LIST = """
SELECT e.name, e.created_at
  FROM endpoints_gatewaytoken t
  JOIN endpoints_endpoint e ON t.all_endpoints OR EXISTS (
           SELECT 1 FROM endpoints_gatewaytoken_endpoints te
            WHERE te.gatewaytoken_id = t.id AND te.endpoint_id = e.id)
 WHERE t.digest = {digest} AND e.enabled
   AND EXISTS (SELECT 1 FROM endpoints_route r
                WHERE r.endpoint_id = e.id AND r.api_key_id IS NOT NULL)
 ORDER BY e.name
"""


class DatabaseUnavailable(Exception):
    """The database cannot be read."""


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """One route, with all that is stored of its key."""

    id: int
    kind: str
    weight: int
    model: str
    key_id: UUID | None
    key_name: str
    refused_at: datetime | None
    restricted: bool
    config: str  # JSON
    version_id: UUID | None
    sealed: Sealed | None
    transport: str  # JSON
    key_enabled: bool
    owner: str  # of the sealed credentials: the key and its version


@dataclass(frozen=True, slots=True)
class Found:
    """A token and, if there is one of that name, an endpoint."""

    token_id: int
    expires_at: datetime | None
    revoked: bool
    endpoint_id: int | None
    enabled: bool
    sticky: bool  # conversations stay on one route
    allowed: bool
    routes: tuple[FoundRoute, ...]
    now: datetime | None = None  # by the database's clock; None: it has none but this host's
    stale_seconds: int | None = None  # since it was read, if the database cannot be read any more


class Directory(Protocol):
    async def find(self, digest: str, endpoint: str) -> Found | None:
        """Return the token of ``digest`` with the endpoint. Raises ``DatabaseUnavailable``."""
        ...

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        """Return name and creation time of the endpoints that the token may call.

        Raises ``DatabaseUnavailable``.
        """
        ...

    async def close(self) -> None: ...


class Row(NamedTuple):
    """What ``FIND`` selects. The names from ``route_id`` on are of one route."""

    token_id: int
    expires_at: datetime | str | None
    revoked_at: datetime | str | None
    endpoint_id: int | None
    enabled: bool | int | None
    sticky: bool | int | None
    allowed: bool | int | None
    route_id: int | None
    kind: str
    weight: int
    model: str
    key_id: UUID | str | None
    key_name: str | None
    refused_at: datetime | str | None
    restricted: bool | int | None
    config: str | None
    version_id: UUID | str | None
    sealed: str | None
    transport: str | None
    key_enabled: bool | int | None


def found_in(rows: Sequence[Sequence[Any]], now: datetime | None = None) -> Found | None:
    """Return what the rows of ``FIND`` contain. ``now`` is the database's time."""
    if not rows:
        return None
    first = Row(*rows[0])
    return Found(
        token_id=first.token_id,
        expires_at=time_of(first.expires_at),
        revoked=first.revoked_at is not None,
        endpoint_id=first.endpoint_id,
        enabled=bool(first.enabled),
        sticky=bool(first.sticky),
        allowed=bool(first.allowed),
        routes=tuple(
            _route(row.route_id, row) for row in map(Row._make, rows) if row.route_id is not None
        ),
        now=now,
    )


def _route(route_id: int, row: Row) -> FoundRoute:
    key_id, version_id = _uuid(row.key_id), _uuid(row.version_id)
    return FoundRoute(
        id=route_id,
        kind=row.kind,
        weight=row.weight,
        model=row.model,
        key_id=key_id,
        key_name=row.key_name or "",
        refused_at=time_of(row.refused_at),
        restricted=bool(row.restricted),
        config=row.config or "{}",
        version_id=version_id,
        sealed=None if row.sealed is None else Sealed.stored(row.sealed),
        transport=row.transport or "{}",
        key_enabled=bool(row.key_enabled),
        owner=owner_of(key_id, version_id),
    )


def _uuid(value: UUID | str | None) -> UUID | None:
    return UUID(value) if isinstance(value, str) else value


@overload
def time_of(value: datetime | str) -> datetime: ...
@overload
def time_of(value: datetime | str | None) -> datetime | None: ...
def time_of(value: datetime | str | None) -> datetime | None:
    """SQLite stores times as strings in UTC."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value
