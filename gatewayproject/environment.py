"""Settings from the environment and from ``.env``. Invalid values are reported by name.

``NAME_FILE`` is the path of a file with the value of ``NAME``, for every setting. Plain Python,
because the settings module imports it. Messages do not repeat values, which may be secret.
"""

from __future__ import annotations  # the methods below have the names of types

import contextlib
import io
import math
import re
import zoneinfo
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import environ
import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

Strings = list[str]  # inside the class, ``list`` is a method

YES, NO = {"1", "true", "yes", "on", "y", "ok"}, {"0", "false", "no", "off", "n"}
DATABASES = ("postgresql", "postgres", "sqlite")
DATABASE_HELP = (
    "write postgresql://user:password@host:5432/name, with special characters of the password as "
    "%XX, or sqlite:////path/to/file"
)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HOST = re.compile(r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
LINE = re.compile(r"\s*(?:#.*)?|(?:export )?([A-Za-z_0-9]+)=.*")


def refuse(reason: str) -> NoReturn:
    """Exit with one line instead of a traceback."""
    raise SystemExit(f"Gatehouse does not start: {reason}")


def read_text(path: Path, name: str) -> str:
    """Return the text of the file that the setting ``name`` refers to."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {error.strerror}: {path}") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as in UTF-16
        raise ImproperlyConfigured(f"{name}: not a text file in UTF-8; save it as UTF-8: {path}")
    return text


class Environment(environ.Env):  # type: ignore[misc]  # an untyped library
    """An empty value counts as not set. An invalid one ends the process."""

    def read_file(self, path: Path, name: str) -> None:
        """Read a file with NAME=value lines. The environment overrides it."""
        try:
            text = read_text(path, name)
        except ImproperlyConfigured as error:
            refuse(str(error))
        first: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not (match := LINE.fullmatch(line)):
                refuse(f"{path}: line {number} is not NAME=value.")
            if (var := match[1]) and first.setdefault(var, number) != number:
                refuse(f"{path}: {var} is in lines {first[var]} and {number}. Remove one of them.")
        self.read_env(io.StringIO(text))

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **rest: Any
    ) -> Any:
        """Return the value of ``var``, or of the file that ``var``_FILE names, as it is: a ``$`` at
        the beginning refers to nothing, unlike in django-environ."""
        value = self.ENVIRON.get(var, "").strip()
        if path := self.ENVIRON.get(f"{var}_FILE", "").strip():
            if value:
                refuse(f"{var} and {var}_FILE are both set. Remove one of them.")
            try:
                value = read_text(Path(path), f"{var}_FILE").strip()
            except ImproperlyConfigured as error:
                refuse(str(error))
            if not value:
                refuse(f"{var}_FILE: the file is empty: {path}")
        return default if not value else value if cast is None else cast(value)

    def bool(self, var: str, default: bool = False) -> bool:
        value = self.get_value(var, default="").lower()
        if value not in YES | NO | {""}:
            refuse(f"{var}: write true or false.")
        return value in YES if value else default

    def int(self, var: str, default: int, least: int = 0) -> int:
        try:
            value = self.get_value(var, int, default)
        except ValueError:
            refuse(f"{var}: write a whole number.")
        if value < least:
            refuse(f"{var}: write {least} or more.")
        return int(value)

    def float(self, var: str, default: float, least: float = 0) -> float:
        try:
            value = self.get_value(var, float, default)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            refuse(f"{var}: write a number.")
        if value < least:
            refuse(f"{var}: write {least:g} or more.")
        return float(value)

    def list(self, var: str, default: Strings | None = None) -> Strings:
        """Return items that commas or lines separate. Files may have comments, so # begins one."""
        lines = self.get_value(var, default="").splitlines()
        items = [item.strip() for line in lines for item in line.partition("#")[0].split(",")]
        return [item for item in items if item] or [*(default or [])]

    def hosts(self, var: str) -> Strings:
        hosts = self.list(var)
        if not all(map(HOST.fullmatch, hosts)):
            refuse(f"{var}: write host names separated by commas, without https:// and port.")
        return hosts

    def origins(self, var: str, default: Strings | None = None) -> Strings:
        origins = self.list(var, default)
        if not all(map(_is_origin, origins)):
            refuse(f"{var}: write origins such as https://gatehouse.example.com:8443.")
        return origins

    def time_zone(self, var: str, default: str) -> str:
        name = str(self.str(var, default))
        try:
            zoneinfo.ZoneInfo(name)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            refuse(f"{var}: write the name of a time zone, such as Europe/Zurich.")
        return name

    def log_level(self, var: str, default: str) -> str:
        level = str(self.str(var, default)).upper()
        if level not in LOG_LEVELS:
            refuse(f"{var}: write one of {', '.join(LOG_LEVELS)}.")
        return level

    def database(self, var: str, default: str) -> dict[str, Any]:
        """Return the database settings for a URL: PostgreSQL, or SQLite in a file."""
        url, found = self.str(var, default), {}
        with contextlib.suppress(ValueError, psycopg.Error):
            parts = urlsplit(url)
            if parts.scheme in DATABASES and "://" in url and not parts.fragment:
                if parts.scheme != "sqlite":
                    _check_libpq_url(url)
                found = self.db_url_config(url)
        if found.get("NAME") in (None, "", ":memory:"):
            refuse(f"{var}: {DATABASE_HELP}.")
        return found


def _check_libpq_url(url: str) -> None:
    """Raise ``ValueError`` or ``psycopg.Error`` unless libpq understands ``url``, whose host may be
    several."""
    for port in str(conninfo_to_dict(url).get("port", "")).split(","):
        int(port or 5432)


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text.removesuffix(":*"))
        parts.port  # noqa: B018 - raises if it is not a number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.path in ("", "/")
