"""Who may call, and which routes there are: read from the database, never from an old answer.

A change that has been committed holds for every request that arrives afterwards. So nothing here
lives longer than the proof that it is still true: SQLite tells by ``PRAGMA data_version`` whether
anything was committed to the file since; PostgreSQL is asked each time, by one query for all the
requests that arrived before it began.

The queries are plain SQL on connections of their own. Django's ORM takes a hundred times as long
here, and its connections belong to threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from apikeys.models.credential_version import owner_of
from apikeys.sealing import Sealed

FIND = """
SELECT {extra} t.id, t.expires_at, t.revoked_at, e.id, e.enabled,
       t.all_endpoints OR EXISTS (
           SELECT 1 FROM endpoints_gatewaytoken_endpoints te
            WHERE te.gatewaytoken_id = t.id AND te.endpoint_id = e.id),
       r.id, r.kind, r.weight, r.model,
       k.id, k.name, k.refused_at, k.config{text}, v.id, v.sealed, s.transport{text},
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


class Away(Exception):
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
    config: str  # JSON
    version_id: UUID | None
    sealed: Sealed | None
    transport: str  # JSON
    key_enabled: bool
    owner: str  # whom the credentials were sealed for


@dataclass(frozen=True, slots=True)
class Found:
    """A token and, if there is one of that name, an endpoint."""

    token_id: int
    expires_at: datetime | None
    revoked: bool
    endpoint_id: int | None
    enabled: bool
    allowed: bool
    routes: tuple[FoundRoute, ...]


class Directory(Protocol):
    async def find(self, digest: str, endpoint: str) -> Found | None:
        """Return the token of ``digest`` together with the endpoint; raises ``Away``."""
        ...

    async def endpoints_for(self, digest: str) -> list[tuple[str, datetime]]:
        """Return name and creation time of all that the token may call; raises ``Away``."""
        ...

    async def close(self) -> None: ...


def found_in(rows: Sequence[Sequence[Any]]) -> Found | None:
    if not rows:
        return None
    token_id, expires_at, revoked_at, endpoint_id, enabled, allowed = rows[0][:6]
    return Found(
        token_id=token_id,
        expires_at=time_of(expires_at),
        revoked=revoked_at is not None,
        endpoint_id=endpoint_id,
        enabled=bool(enabled),
        allowed=bool(allowed),
        routes=tuple(_route(row) for row in rows if row[6] is not None),
    )


def _route(row: Sequence[Any]) -> FoundRoute:
    sealed, key_id, version_id = row[15], _uuid(row[10]), _uuid(row[14])
    return FoundRoute(
        id=row[6],
        kind=row[7],
        weight=row[8],
        model=row[9],
        key_id=key_id,
        key_name=row[11] or "",
        refused_at=time_of(row[12]),
        config=row[13] or "{}",
        version_id=version_id,
        sealed=None if sealed is None else Sealed(bytes(sealed)),
        transport=row[16] or "{}",
        key_enabled=bool(row[17]),
        owner=owner_of(key_id, version_id),
    )


def _uuid(value: Any) -> UUID | None:
    return UUID(value) if isinstance(value, str) else value


def time_of(value: Any) -> Any:
    """SQLite keeps times as texts in UTC."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value
