"""Headers with ``{name}`` for the value of a field."""

from collections.abc import Mapping
from functools import lru_cache

from apikeys.catalogue.transport import PLACEHOLDER


def credential_headers(
    templates: Mapping[str, str], values: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return the headers that ``values`` fill; one that would lack a value is not sent."""
    headers = []
    for name, template in templates.items():
        before, *rest = _pieces(template)
        for field, after in zip(rest[::2], rest[1::2], strict=True):
            value = values.get(field)
            if not value:
                break
            before = f"{before}{value}{after}"
        else:
            headers.append((name, before))
    if "extra_headers" in values:
        for line in values["extra_headers"].splitlines():
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
    return headers


@lru_cache(maxsize=512)
def _pieces(template: str) -> tuple[str, ...]:
    """Return text, field, text, field, …, text."""
    return tuple(PLACEHOLDER.split(template))
