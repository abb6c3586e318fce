"""API keys as CSV, for spreadsheets: everything about them but the credentials."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from apikeys import blast_radius
from apikeys.models import ApiKey
from apikeys.models.api_key_queries import ApiKeyQuerySet

BATCH = 500  # rows that are in memory at once
HEADINGS = (
    *("Name", "Provider", "Authentication method", "Environment", "Team", "Description"),
    *("Hint", "Status", "Enabled", "Created", "Created by", "Last updated", "Expires"),
    *("Last used", "Endpoints", "Expiry notice, days", "Rotation reminder, days"),
)
BYTE_ORDER_MARK = "\ufeff"  # without it, Excel takes UTF-8 for something else
# Where a formula begins: in a cell, or after what separates cells in spreadsheets of other locales.
_FORMULA = re.compile(r"(?:\A|(?<=[;|]))(?=\s*[=+\-@＝＋－＠])|\A(?=[\t\r\n])")  # noqa: RUF001


def csv_of(keys: ApiKeyQuerySet) -> Iterator[str]:
    """Yield the lines of a CSV file with ``keys`` by name, some hundreds at a time.

    Each batch is a query of its own that begins behind the last name, so that a slow client
    occupies neither memory nor a transaction.
    """
    yield BYTE_ORDER_MARK + _lines([HEADINGS])
    rows = keys.with_details().defer("current__sealed", "scheme__verify").sorted_by("name")
    last = ""
    while batch := list(rows.filter(name_key__gt=last)[:BATCH]):
        counts = blast_radius.registry().counts([key.pk for key in batch])
        yield _lines([_row(key, counts.get(key.pk, 0)) for key in batch])
        last = batch[-1].name_key


def _lines(rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _row(key: ApiKey, endpoint_count: int) -> tuple[Any, ...]:
    return (
        _text(key.name),
        _text(key.provider.name),
        _text(key.scheme.name),
        _text(key.get_environment_display()),
        _text(key.team),
        _text(key.description),
        f"…{key.current.hint}" if key.current and key.current.hint else "",
        ", ".join(status.label for status in key.statuses()),
        "yes" if key.enabled else "no",
        _moment(key.created_at),
        _text(key.created_by),
        _moment(key.credentials_changed_at),
        _moment(key.expires_at),
        _moment(key.last_used_at),
        endpoint_count,
        key.expiry_notice_days,
        key.rotate_every_days,
    )


def _text(text: str) -> str:
    """Return ``text`` so that no spreadsheet takes it for a formula."""
    return _FORMULA.sub("'", text)


def _moment(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""
