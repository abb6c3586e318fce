"""Compares the database with the journals, under one master key alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection

from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import CannotOpen
from tests.database_files import content_of_database_files

from .people import SLOTS, State

VERDICTS = ("lost", "duplicated", "unreadable", "wrong")


def compare(expected: Mapping[UUID, State]) -> Counter[str]:
    """Count what is not as the journals say. ``FERNET_KEYS`` holds the new key alone."""
    found = Counter(dict.fromkeys(VERDICTS, 0))
    keys = {key.pk: key for key in ApiKey.objects.with_versions()}
    found["lost"] += len(expected.keys() - keys.keys())
    found["duplicated"] += len(keys.keys() - expected.keys())
    wanted = 0
    for pk in expected.keys() & keys.keys():
        for slot in SLOTS:
            wanted += expected[pk][slot] is not None
            if verdict := _verdict(keys[pk], slot, expected[pk][slot]):
                found[verdict] += 1
    stored = CredentialVersion.objects.filter(sealed__isnull=False).count()
    found["duplicated"] += max(0, stored - wanted)
    return found


def _verdict(key: ApiKey, slot: str, secret: str | None) -> str:
    version = getattr(key, slot)
    if secret is None or version is None:
        return "" if secret is None and version is None else "wrong" if version else "lost"
    try:
        opened = version.open_for(key, towards=key.origins())["api_key"]
    except CannotOpen:
        return "unreadable"
    return "" if opened == secret else "wrong"


def occurrences(tokens: Iterable[bytes]) -> int | None:
    """Count in how many places SQLite's files hold one of ``tokens``; ``None`` on PostgreSQL."""
    if connection.vendor != "sqlite":
        return None
    text = content_of_database_files()
    return sum(text.count(token) for token in tokens)
