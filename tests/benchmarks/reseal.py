"""How fast ``rotate_master_key`` re-seals 1,000, 10,000 and 100,000 rows.

    python -m tests.benchmarks.reseal [--sizes 1000 10000 100000] [--rounds 3]

Settings are those of production, in a database of its own: SQLite, or on the server that
``DATABASE_URL`` names. "bare" is the re-sealing alone, without a database, in the same moment; a
whole run re-seals, writes, and opens everything once more. "lock" is the longest write transaction.
The last column compares the rows per second with those of the smallest size.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import django

from gatewayproject.keyring import generate_master_key
from tests.installation import own_database, production_settings

BATCH = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with installation():
        from django.db import connection

        print(f"{connection.vendor}\n{'rows':>9}{'seconds':>9}{'rows/s':>9}", end="")
        print(f"{'bare/s':>9}{'lock ms':>9}{'readyz ms':>11}{'to bare':>9}{'ratio':>7}")
        first = 0.0
        for size in sorted(options.sizes):
            fill_up_to(size)
            figures = [measure() for _ in range(options.rounds)]
            seconds, bare, lock, ready = (median(column) for column in zip(*figures, strict=True))
            rate = size / seconds
            first = first or rate
            print(f"{size:>9,}{seconds:>9.2f}{rate:>9,.0f}{bare:>9,.0f}{lock:>9.1f}", end="")
            print(f"{ready:>11.2f}{rate / bare:>9.2f}{rate / first:>7.2f}")


@contextmanager
def installation() -> Iterator[dict[str, str]]:
    """Set Django up with production settings and a database that goes at the end."""
    with tempfile.TemporaryDirectory() as folder, own_database() as database:
        settings = {
            "DJANGO_SETTINGS_MODULE": "gatewayproject.settings",
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": folder,
            "STATIC_ROOT": folder,
            "LOG_LEVEL": "ERROR",
            **production_settings(),
            **database,
        }
        os.environ |= settings
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("prepare", stdout=io.StringIO())
        try:
            yield settings
        finally:
            connections.close_all()


def fill_up_to(size: int) -> None:
    """Add API keys with one version each until there are ``size``."""
    from django.db import connection

    from apikeys.models import ApiKey, AuthScheme, CredentialVersion

    scheme = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
    config = {spec.name: spec.default for spec in scheme.config_specs if spec.default}
    for start in range(ApiKey.objects.count(), size, BATCH):
        numbers = range(start, min(start + BATCH, size))
        keys = [
            ApiKey(name=f"k-{n}", name_key=f"k-{n}", scheme=scheme, config=config) for n in numbers
        ]
        versions = [seal_one(key) for key in keys]
        ApiKey.objects.bulk_create(keys)
        CredentialVersion.objects.bulk_create(versions)
        for key, version in zip(keys, versions, strict=True):
            key.current = version
        ApiKey.objects.bulk_update(keys, ["current"], batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def seal_one(key: Any) -> Any:
    from apikeys.models import CredentialVersion
    from apikeys.sealing import master_keys, seal

    version = CredentialVersion(api_key=key, parts=["api_key"], created_by="bench")
    version.sealed = seal(
        {"api_key": f"sk-{key.pk.hex}"}, owner=version.owner(key.pk), origins=key.origins()
    )
    version.master_key = master_keys().primary
    return version


def measure() -> tuple[float, float, float, float]:
    """Rotate once; return seconds, bare rows/s, and ms of the longest lock and of ``/readyz``."""
    from django.conf import settings

    from apikeys.services.master_key_rotation import missing_master_keys, rotate_master_key
    from gatewayproject.accounts.actors import Actor

    settings.FERNET_KEYS = [generate_master_key(), settings.FERNET_KEYS[0]]
    bare = bare_rate()
    with longest_swap() as swaps:
        began = time.perf_counter()
        report = rotate_master_key(by=Actor("bench", channel="command"))
        seconds = time.perf_counter() - began
    assert report.is_complete
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    began = time.perf_counter()
    assert not missing_master_keys()
    return seconds, bare, max(swaps) * 1000, (time.perf_counter() - began) * 1000


def bare_rate() -> float:
    """Return how many rows a second are re-sealed and opened again without a database."""
    from apikeys.models import CredentialVersion
    from apikeys.sealing import opens_with_primary, reseal

    values = list(CredentialVersion.objects.values_list("sealed", flat=True)[:1000])
    began = time.perf_counter()
    assert all(opens_with_primary(reseal(sealed)) for sealed in values)
    return len(values) / (time.perf_counter() - began)


@contextmanager
def longest_swap() -> Iterator[list[float]]:
    """Collect how long each write transaction takes."""
    from apikeys.services.master_key_rotation.sealed_columns import SealedColumn

    original, took = SealedColumn.swap, []

    def swap(column: SealedColumn, changes: Any) -> int:
        began = time.perf_counter()
        try:
            return original(column, changes)
        finally:
            took.append(time.perf_counter() - began)

    SealedColumn.swap = swap  # type: ignore[method-assign]
    try:
        yield took
    finally:
        SealedColumn.swap = original  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
