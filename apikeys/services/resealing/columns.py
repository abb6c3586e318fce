"""Where sealed values are, found by the class of the field, so that no table can be forgotten."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from apikeys.sealing import Sealed, SealedField, master_keys

MASTER_KEY = "master_key"  # the column that tells which master key sealed a row

Row = tuple[Any, Sealed]
Change = tuple[Any, Sealed, Sealed]  # primary key, old value, new value


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values, in whatever table it is."""

    model: type[models.Model]
    field: SealedField
    tells: bool  # whether the row says which master key sealed it

    def name(self, pk: Any) -> str:
        return f"{self.model._meta.verbose_name} {pk}"

    def rows(self) -> models.QuerySet:
        """Return the rows that hold something."""
        return self.model._base_manager.filter(**{f"{self.field.name}__isnull": False})

    def behind(self) -> models.QuerySet:
        """Return the rows that say that another master key than the primary sealed them."""
        if not self.tells:
            return self.model._base_manager.none()  # opening them is the only way to know
        return self.rows().exclude(**{MASTER_KEY: master_keys().primary})

    def batches(self, rows: models.QuerySet, size: int) -> Iterator[list[Row]]:
        """Yield ``rows`` in the order of their primary keys; each batch starts where one ended."""
        rows = rows.order_by("pk").values_list("pk", self.field.name)
        batch = list(rows[:size])
        while batch:
            yield batch
            batch = list(rows.filter(pk__gt=batch[-1][0])[:size])

    def swap(self, changes: Sequence[Change]) -> int:
        """Write each new value where the old one still stands; return how many that were.

        One short transaction. Rows that somebody else has locked are left to the next pass: who
        waits for nobody is part of no deadlock.
        """
        with transaction.atomic(), connection.cursor() as cursor:
            free = self._lock([pk for pk, _, _ in changes])
            values = [self._values(*change) for change in changes if change[0] in free]
            if not values:
                return 0
            cursor.executemany(self._update, values)
            return cursor.rowcount

    def under(self) -> Iterator[str]:
        """Yield each master key that rows need: one step in the index, however many rows it has."""
        if not self.tells:
            yield from self.counts()
            return
        rows = self.rows().order_by(MASTER_KEY).values_list(MASTER_KEY, flat=True)
        found = rows.first()
        while found is not None:
            yield found
            found = rows.filter(**{f"{MASTER_KEY}__gt": found}).first()

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by the fingerprint of their master key, "" where unknown."""
        if self.tells:
            per_key = self.rows().order_by().values_list(MASTER_KEY)
            return dict(per_key.annotate(rows=models.Count("pk")))
        sealed = self.rows().values_list(self.field.name, flat=True)
        return Counter(master_keys().sealer_of(value) for value in sealed.iterator())

    def _lock(self, keys: list[Any]) -> set[Any]:
        if not connection.features.has_select_for_update_skip_locked:
            return set(keys)  # SQLite: the transaction has the whole file
        rows = self.model._base_manager.select_for_update(skip_locked=True, no_key=True)
        return set(rows.filter(pk__in=keys).values_list("pk", flat=True))

    @property
    def _update(self) -> str:
        quoted = connection.ops.quote_name
        column, key = quoted(self.field.column), quoted(self.model._meta.pk.column)
        told = f", {quoted(self._master_key_column)} = %s" if self.tells else ""
        table = quoted(self.model._meta.db_table)
        return f"UPDATE {table} SET {column} = %s{told} WHERE {key} = %s AND {column} = %s"  # noqa: S608

    def _values(self, pk: Any, old: Sealed, new: Sealed) -> tuple[Any, ...]:
        prepared = self.model._meta.pk.get_db_prep_value(pk, connection)
        tokens = [self.field.get_db_prep_save(value, connection) for value in (new, old)]
        told = [master_keys().primary] if self.tells else []
        return (tokens[0], *told, prepared, tokens[1])

    @property
    def _master_key_column(self) -> str:
        return self.model._meta.get_field(MASTER_KEY).column


def sealed_columns() -> list[SealedColumn]:
    """Return every column of sealed values in every installed app."""
    return [
        SealedColumn(model, field, tells=len(fields) == 1 and _has_master_key(model))
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        and (fields := [f for f in model._meta.local_fields if isinstance(f, SealedField)])
        for field in fields
    ]


def _has_master_key(model: type[models.Model]) -> bool:
    return any(field.name == MASTER_KEY for field in model._meta.local_fields)
