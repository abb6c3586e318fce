"""Add usage to the stored counts, and write the last use of each API key."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from apikeys.models import ApiKey

from .counts import COLUMNS, SUMS, Counts
from .models import ALL_TIME, UsageBucket


class UsageOwner(NamedTuple):
    """Whose requests are counted together."""

    endpoint_id: int | None
    route_id: int
    api_key_id: UUID | None
    token_id: int
    model: str


UsageKey: TypeAlias = tuple[int, UsageOwner]  # what one row counts, from an hour since 1970 on

_KEYS = ("hour", "endpoint_id", "route_id", "api_key_id", "token_id", "model")


def add_usage(counts: Mapping[UsageKey, Counts], at: datetime) -> None:
    """Add ``counts`` to their hours and to the rows of all time, in one transaction.

    A key's last use is written once an hour. Every process writes rows in the same order, to avoid
    deadlocks.
    """
    table = connection.ops.quote_name(UsageBucket._meta.db_table)
    columns = (*_KEYS, "last_at", "last_success_at", "last_failure_at", *COLUMNS)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    latest = ", ".join(
        f"{name} = COALESCE(excluded.{name}, {table}.{name})"
        for name in ("last_success_at", "last_failure_at")
    )
    streak = (
        "failures_in_a_row = excluded.failures_in_a_row + CASE "
        f"WHEN excluded.last_success_at IS NULL THEN {table}.failures_in_a_row ELSE 0 END"
    )
    query = (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - names of our own columns
        f"VALUES ({', '.join(['%s'] * len(columns))}) "
        f"ON CONFLICT ({', '.join(_KEYS)}) DO UPDATE SET last_at = excluded.last_at, "
        f"{latest}, {streak}, {sums}"
    )
    rows = sorted(_rows(counts, at), key=lambda row: str(row[: len(_KEYS)]))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(query, rows)
        _mark_keys_as_used(counts)


def _mark_keys_as_used(counts: Mapping[UsageKey, Counts]) -> None:
    """Write the hour to the keys that do not have it yet. ``rev`` stays: nothing was edited."""
    last: dict[UUID | None, int] = {}
    for number, owner in counts:
        last[owner.api_key_id] = max(number, last.get(owner.api_key_id, number))
    for number in sorted(set(last.values())):
        hour = datetime.fromtimestamp(number * 3600, UTC)
        keys = [key for key, latest in last.items() if key is not None and latest == number]
        earlier = Q(last_used_at=None) | Q(last_used_at__lt=hour)
        behind = ApiKey.objects.filter(earlier, pk__in=keys).order_by("pk")
        locked = list(behind.select_for_update().values_list("pk", flat=True))
        if locked:
            ApiKey.objects.filter(pk__in=locked).update(last_used_at=hour)


def _rows(counts: Mapping[UsageKey, Counts], at: datetime) -> list[tuple[Any, ...]]:
    """Return rows of ``_KEYS``, the times and ``COLUMNS``, as the database stores them."""
    hour, uuid = UsageBucket._meta.get_field("hour"), UsageBucket._meta.get_field("api_key")
    last_at = hour.get_db_prep_value(at, connection)
    merged: dict[tuple[Any, ...], Counts] = {}
    for (number, owner), values in counts.items():
        key = uuid.get_db_prep_value(owner.api_key_id, connection)
        stored = owner._replace(api_key_id=key)
        for moment in (datetime.fromtimestamp(number * 3600, UTC), ALL_TIME):
            row = (hour.get_db_prep_value(moment, connection), *stored)
            # Two hours of one batch share their row of all time.
            merged[row] = merged[row].plus(values) if row in merged else values
    return [
        (
            *row,
            last_at,
            last_at if values.answered else None,
            last_at if values.failures else None,
            *values.row(),
        )
        for row, values in merged.items()
    ]
