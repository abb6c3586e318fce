"""The version of this installation."""

import tomllib
from functools import cache

from django.conf import settings


@cache
def version() -> str:
    """Return the version in ``pyproject.toml``."""
    try:
        text = (settings.BASE_DIR / "pyproject.toml").read_text()
    except OSError:  # not installed from a checkout
        return "unknown"
    return str(tomllib.loads(text)["project"]["version"])
