"""Where sealed values are, found by the class of the field, so that no table can be forgotten."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from apikeys.sealing import Sealed, SealedField, master_keys

MASTER_KEY = "master_key"  # the column with the fingerprint of a row's master key

Row = tuple[Any, Sealed]
Change = tuple[Any, Sealed, Sealed]  # primary key, old value, new value


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values, in whatever table it is."""

    model: type[models.Model]
    field: SealedField
    records_key: bool  # whether its row records the master key

    def name(self, pk: Any) -> str:
        return f"{self.model._meta.verbose_name} {pk}"

    def rows(self) -> models.QuerySet[Any]:
        """Return the rows that are not empty."""
        return self.model._base_manager.filter(**{f"{self.field.name}__isnull": False})

    def behind(self) -> models.QuerySet[Any]:
        """Return the rows recorded as encrypted with another master key than the primary."""
        if not self.records_key:
            return self.model._base_manager.none()  # only decrypting shows it
        return self.rows().exclude(**{MASTER_KEY: master_keys().primary})

    def batches(self, rows: models.QuerySet[Any], size: int) -> Iterator[list[Row]]:
        """Yield ``rows`` in the order of their primary keys; each batch starts where one ended."""
        rows = rows.order_by("pk").values_list("pk", self.field.name)
        batch = list(rows[:size])
        while batch:
            yield batch
            batch = list(rows.filter(pk__gt=batch[-1][0])[:size])

    def swap(self, changes: Sequence[Change]) -> int:
        """Replace the old values that are unchanged; return how many were replaced.

        One short transaction. Locked rows are left to the next pass, to avoid deadlocks.
        """
        quoted, meta = connection.ops.quote_name, self.model._meta
        table, column, key = map(quoted, (meta.db_table, self.field.column, str(meta.pk.column)))
        also = f", {quoted(MASTER_KEY)} = %s" if self.records_key else ""
        update = f"UPDATE {table} SET {column} = %s{also} WHERE {key} = %s AND {column} = %s"  # noqa: S608
        with transaction.atomic(), connection.cursor() as cursor:
            free = {pk for pk, _, _ in changes}
            if connection.features.has_select_for_update_skip_locked:  # SQLite locks the whole file
                rows = self.model._base_manager.select_for_update(skip_locked=True, no_key=True)
                free = set(rows.filter(pk__in=free).values_list("pk", flat=True))
            values = [
                (
                    self.field.get_db_prep_save(new, connection),
                    *([master_keys().primary] if self.records_key else []),
                    meta.pk.get_db_prep_value(pk, connection),
                    self.field.get_db_prep_save(old, connection),
                )
                for pk, old, new in changes
                if pk in free
            ]
            if not values:
                return 0
            cursor.executemany(update, values)
            return int(cursor.rowcount)

    def under(self) -> Iterator[str]:
        """Yield each master key that rows need: one step in the index, however many rows it has."""
        if not self.records_key:
            yield from self.counts()
            return
        rows = self.rows().order_by(MASTER_KEY).values_list(MASTER_KEY, flat=True)
        found = rows.first()
        while found is not None:
            yield found
            found = rows.filter(**{f"{MASTER_KEY}__gt": found}).first()

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows by the fingerprint of their master key, "" where unknown."""
        if self.records_key:
            per_key = self.rows().order_by().values_list(MASTER_KEY)
            return dict(per_key.annotate(rows=models.Count("pk")))
        sealed = self.rows().values_list(self.field.name, flat=True)
        return Counter(master_keys().sealer_of(value) for value in sealed.iterator())


def sealed_columns() -> list[SealedColumn]:
    """Return every column of sealed values in every installed app."""
    return [
        SealedColumn(model, field, records_key=len(fields) == 1 and MASTER_KEY in names)
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        and (fields := [f for f in model._meta.local_fields if isinstance(f, SealedField)])
        for names in [{field.name for field in model._meta.local_fields}]
        for field in fields
    ]
