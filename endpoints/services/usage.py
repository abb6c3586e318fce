"""Add to the counts of what went through the gateway."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from endpoints.models.usage import ALL_TIME, COUNTS, LATENCIES, UsageBucket

# The hour since 1970, then endpoint, route, API key, token and model.
UsageKey = tuple[Any, ...]

_KEYS = ("hour", "endpoint_id", "route_id", "api_key_id", "token_id", "model")
_VALUES = (*COUNTS, *LATENCIES)


def add_usage(counts: Mapping[UsageKey, Sequence[int]], at: datetime) -> None:
    """Add ``counts`` to their hours and to the rows of all time, in one transaction.

    Rows are taken in the same order by every process, so that no two wait for each other.
    """
    table = connection.ops.quote_name(UsageBucket._meta.db_table)
    columns = (*_KEYS, "last_at", *_VALUES)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _VALUES)
    query = (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - names of our own columns
        f"VALUES ({', '.join(['%s'] * len(columns))}) "
        f"ON CONFLICT ({', '.join(_KEYS)}) DO UPDATE SET last_at = excluded.last_at, {sums}"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(query, sorted(_rows(counts, at), key=lambda row: str(row[:6])))


def _rows(counts: Mapping[UsageKey, Sequence[int]], at: datetime) -> list[tuple[Any, ...]]:
    hour, uuid = UsageBucket._meta.get_field("hour"), UsageBucket._meta.get_field("api_key")
    last_at = hour.get_db_prep_value(at, connection)
    rows = []
    for (number, endpoint, route, key, token, model), values in counts.items():
        owner = (endpoint, route, uuid.get_db_prep_value(key, connection), token, model)
        for moment in (datetime.fromtimestamp(number * 3600, UTC), ALL_TIME):
            rows.append((hour.get_db_prep_value(moment, connection), *owner, last_at, *values))
    return _merged(rows)


def _merged(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Add up rows of the same key: two hours of one batch share their row of all time."""
    merged: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        have = merged.setdefault(row[:7], [0] * len(_VALUES))
        merged[row[:7]] = [old + new for old, new in zip(have, row[7:], strict=True)]
    return [(*key, *values) for key, values in merged.items()]
