"""Pagination of long lists."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db import connection
from django.db.models import QuerySet
from django.utils.functional import cached_property

ROWS = 50


class _Concatenated:
    """Several queries as one list. ``whole``, if given, is a faster way to count it."""

    def __init__(self, parts: Sequence[QuerySet[Any]], whole: QuerySet[Any] | None = None) -> None:
        self.parts = parts
        self.whole = whole

    def __getitem__(self, span: slice) -> Iterator[Any]:
        start, stop = span.start or 0, span.stop
        for part in self.parts:
            found = list(part[start:stop])
            yield from found
            if start + len(found) == stop:
                return
            passed = start + len(found) if found or not start else part.count()
            start, stop = max(start - passed, 0), stop - passed

    def count(self) -> int:
        if self.whole is not None:
            return self.whole.count()
        return sum(part.count() for part in self.parts)

    def reverse(self) -> "_Concatenated":
        return _Concatenated([part.reverse() for part in reversed(self.parts)], self.whole)


class _LookaheadPaginator(Paginator):  # type: ignore[type-arg]  # generic only in the stubs
    """Fetches one row more than a page, and counts only if there are more: one query for few rows.

    Pages in the second half are read from the end, so that the last is as fast as the first.
    """

    def __init__(self, rows: _Concatenated) -> None:
        super().__init__(rows, ROWS)  # type: ignore[arg-type]  # used only by count and slices
        self.rows = rows

    @cached_property
    def first_rows(self) -> list[Any]:
        return list(self.rows[: ROWS + 1])

    @cached_property
    def count(self) -> int:
        return len(self.first_rows) if len(self.first_rows) <= ROWS else self.rows.count()

    def keys_on(self, page: "Page[Any]") -> list[Any]:
        if page.number == 1:
            return self.first_rows[:ROWS]
        before, after = page.start_index() - 1, self.count - page.end_index()
        if before <= after:
            return list(page.object_list)
        return list(self.rows.reverse()[after : self.count - before])[::-1]


def page_of(
    parts: QuerySet[Any] | Sequence[QuerySet[Any]],
    details: QuerySet[Any],
    number: Any,
    *,
    whole: QuerySet[Any] | None = None,
) -> "Page[Any]":
    """Return one page of ``parts``, with rows from ``details`` by primary key.

    The order must be total, because it is read from both ends. Selecting the primary keys first
    keeps deep pages cheap: skipped rows are never joined or loaded.
    """
    parts = [parts] if isinstance(parts, QuerySet) else parts
    keys_of_parts = [part.values_list("pk", flat=True) for part in parts]
    paginator = _LookaheadPaginator(_Concatenated(keys_of_parts, whole))
    rows: dict[Any, Any] = {}
    # The first page with one query. SQLite is not far away, and would scan the index of the order.
    if (
        connection.vendor == "postgresql"
        and number in (None, "", "1")
        and len(parts) == 1
        and _has_plain_order(parts[0])
    ):
        first = details.filter(pk__in=keys_of_parts[0][: ROWS + 1])
        order = parts[0].query.order_by  # empty: that of the model, which both have
        rows = {row.pk: row for row in (first.order_by(*order) if order else first)}
        paginator.first_rows = list(rows)
    page = paginator.get_page(number)
    keys = paginator.keys_on(page)
    rows = rows or details.in_bulk(keys)
    page.object_list = [rows[key] for key in keys if key in rows]
    return page


def _has_plain_order(rows: QuerySet[Any]) -> bool:
    """Whether the order is by the model's own columns, which another query of it has as well."""
    columns = {"pk", *(field.name for field in rows.model._meta.concrete_fields)}
    order = rows.query.order_by
    return all(isinstance(name, str) and name.lstrip("-") in columns for name in order)
