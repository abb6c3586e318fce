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
        fields, text = _parsed(template)
        filling = [values.get(field) for field in fields]
        if all(filling):
            headers.append((name, text % tuple(filling)))
    if "extra_headers" in values:
        for line in values["extra_headers"].splitlines():
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
    return headers


@lru_cache(maxsize=512)
def _parsed(template: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the fields in it, and the text with ``%s`` in their places."""
    pieces = PLACEHOLDER.split(template.replace("%", "%%"))
    return tuple(pieces[1::2]), "%s".join(pieces[::2])
