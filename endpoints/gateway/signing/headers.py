"""Headers with ``{name}`` for the value of a field."""

from collections.abc import Mapping
from functools import lru_cache

from apikeys.catalogue.headers import EXTRA_HEADERS
from apikeys.catalogue.transport import PLACEHOLDER

from .credentials import Credentials


def credential_headers(
    templates: Mapping[str, str], credentials: Credentials, **obtained: str
) -> list[tuple[str, str]]:
    """Return the headers that the key's values fill; one that would lack a value is not sent.

    Extra headers are credentials: no setting brings one.
    """
    values = {**credentials.values, **obtained}
    headers = []
    for name, template in templates.items():
        fields, text = _parsed(template)
        filling = [values.get(field) for field in fields]
        if all(filling):
            headers.append((name, text % tuple(filling)))
    for line in credentials.secrets.get(EXTRA_HEADERS, "").splitlines():
        name, _, value = line.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    return headers


@lru_cache(maxsize=512)
def _parsed(template: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the fields in it, and the text with ``%s`` in their places."""
    pieces = PLACEHOLDER.split(template.replace("%", "%%"))
    return tuple(pieces[1::2]), "%s".join(pieces[::2])
