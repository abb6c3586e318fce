"""How long the list of API keys takes on the server, for 1,000, 10,000 and 100,000 keys.

    python -m tests.benchmarks.list_page [--sizes 1000 10000 100000] [--rounds 15]

Each key has three routes. A page goes through every middleware and template; the login and the
network are left out. Database connections are set up as those of the pages. "cpu" is what this
process used; what PostgreSQL used is not in it. The cases are taken in turn, so that a slow moment
of the machine hits all of them alike. The last column is the ratio to the plain first page of the
same run.
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection, connections, reset_queries  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from apikeys import sealing  # noqa: E402
from apikeys.models import ApiKey, AuthScheme, CredentialVersion, Environment  # noqa: E402
from endpoints.models import Endpoint, Route  # noqa: E402
from gatewayproject.console.naming import name_key_of, search_key  # noqa: E402
from gatewayproject.server.database_limits import limit_this_thread  # noqa: E402

ROUTES_PER_KEY = 3
BATCH = 2_000
WORDS = ("search", "billing", "chat", "vision", "batch", "Team", "eval", "Support", "ingest", "ops")
CASES = {
    "first page": "",
    "middle page": "?page=1000",  # of 100,000 keys: later ones are read from the end
    "last page": "?page=999999",
    "newest first": "?sort=-created",
    "last updated first": "?sort=-updated",
    "search, common": "?q=EARCH",
    "search, rare": "?q=rare-needle",
    "search, nothing": "?q=no-such-name",
    "search, two letters": "?q=qz",
    "provider, common": "?provider=openai",
    "provider, rare": "?provider=voyage",
    "environment": "?environment=staging",
    "last used first": "?sort=-used",
    "never used, middle page": "?sort=used&page=1000",
    "expires first": "?sort=expires",
    "expires last, last page": "?sort=-expires&page=999999",
    "search, team": "?q=team-7",
    "search, description": "?q=contact-of-4711",
    "search, hint": "?q=4711",
    "search, provider": "?q=voyage",
    "team": "?team=Team-7",
    "expires in 30 days": "?expires=30",
    "unused for 90 days": "?unused=90",
    "unused for 90 days, by expiry": "?unused=90&sort=expires",
    "expiring": "?status=expiring",
    "due": "?status=due",
    "overdue": "?status=overdue",
    "expired, last updated first": "?status=expired&sort=-updated",
    "refused": "?status=refused",
    "restricted": "?status=restricted",
    "disabled": "?status=disabled",
    "overdue, all filters": "?q=chat&provider=openai&environment=staging&status=overdue",
    "all filters": "?q=chat&provider=openai&environment=staging&sort=-updated",
    "all filters, last used": "?q=chat&provider=openai&team=Team-7&unused=90&sort=-used",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        client = Client()
        client.force_login(get_user_model().objects.create_superuser("bench"))
        for size in sorted(options.sizes):
            fill_up_to(size)
            with ThreadPoolExecutor(1, initializer=limit_this_thread) as pages:
                pages.submit(report, client, size, options.rounds).result()
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def fill_up_to(size: int) -> None:
    """Add keys, versions, endpoints and routes until there are ``size`` keys."""
    have = ApiKey.objects.count()
    schemes = list(
        AuthScheme.objects.filter(provider__slug__in=("anthropic", "groq", "mistral"), position=0)
    )
    common = AuthScheme.objects.get(provider__slug="openai", slug="api_key")
    rare = AuthScheme.objects.get(provider__slug="voyage")
    chance = random.Random(size)
    for start in range(have, size, BATCH):
        keys = [
            make_key(
                number, chance, rare if number % 5_000 == 7 else chance.choice([common, *schemes])
            )
            for number in range(start, min(start + BATCH, size))
        ]
        versions = list(make_versions(keys))
        ApiKey.objects.bulk_create(keys)
        CredentialVersion.objects.bulk_create(versions)
        for key, version in zip(keys, versions, strict=True):
            key.current = version
        ApiKey.objects.bulk_update(keys, ["current"], batch_size=500)
        endpoints = Endpoint.objects.bulk_create(
            Endpoint(name=f"endpoint-{start + number}") for number in range(len(keys))
        )
        Route.objects.bulk_create(
            Route(endpoint=endpoint, api_key=chance.choice(keys), model="gpt")
            for endpoint in endpoints
            for _ in range(ROUTES_PER_KEY)
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def make_key(number: int, chance: random.Random, scheme: AuthScheme) -> ApiKey:
    name = f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{number}"
    if number % 9_000 == 11:
        name += "-Rare-Needle"
    key = ApiKey(name=name, scheme=scheme, environment=chance.choice(Environment.values))
    key.name_key = name_key_of(name)
    key.team = f"Team-{number % 40}" if number % 3 else ""
    key.description = f"For the site. Contact-of-{number}." if number % 2 else ""
    hint = f"{number % 10_000:04}"
    key.search_key = search_key(f"…{hint}", key.team, key.description)
    key.created_at = timezone.now() - timedelta(days=chance.uniform(0, 400))
    if chance.random() < 0.8:
        last_use = timezone.now() - timedelta(days=chance.expovariate(1 / 30))
        key.last_used_at = last_use.replace(minute=0, second=0, microsecond=0)
    _put_on_a_schedule(key, chance)
    return key


def _put_on_a_schedule(key: ApiKey, chance: random.Random) -> None:
    """Every second key has an interval, every fifth expires within a year, some were neglected."""
    now, fate = timezone.now(), chance.random()
    if chance.random() < 0.5:
        key.rotate_every_days = 90
        key.overdue_at = now + timedelta(days=chance.uniform(-4.5, 85.5))
        key.due_at = key.overdue_at - timedelta(days=7)
    if fate < 0.01:
        key.refused_at = now
    elif fate < 0.02:
        key.enabled = False
    elif fate < 0.03:
        key.restricted = True
    elif fate < 0.22:
        key.expires_at = now + timedelta(days=chance.uniform(-5, 365))


def make_versions(keys: Iterable[ApiKey]) -> Iterable[CredentialVersion]:
    for key in keys:
        version = CredentialVersion(api_key=key, parts=["api_key"], hint="abcd", created_by="bench")
        version.sealed = sealing.seal(
            {"api_key": f"sk-{key.pk.hex}"},
            owner=version.owner(key.pk),
            origins={sealing.Role.API: "https://api.openai.com:443"},
        )
        version.master_key = sealing.master_keys().primary
        yield version


def report(client: Client, size: int, rounds: int) -> None:
    times: dict[str, list[float]] = {case: [] for case in CASES}
    cpu: dict[str, list[float]] = {case: [] for case in CASES}
    queries: dict[str, int] = {}
    for number in range(rounds + 1):
        for case, query in CASES.items():
            reset_queries()
            began, cpu_began = time.perf_counter(), time.process_time()
            response = client.get(f"/api-keys/{query}")
            elapsed, cpu_used = time.perf_counter() - began, time.process_time() - cpu_began
            assert response.status_code == 200, response.status_code
            if number:  # the first round warms up
                times[case].append(elapsed * 1000)
                cpu[case].append(cpu_used * 1000)
    for case, query in CASES.items():
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/api-keys/{query}")
        queries[case] = len(captured)
    first = statistics.median(times["first page"])
    print(f"\n{connection.vendor}, {size:,} keys, {size * ROUTES_PER_KEY:,} routes")
    heads = f"{'median ms':>10}{'worst ms':>10}{'cpu ms':>8}{'queries':>9}{'ratio':>8}"
    print(f"{'page':<28}{heads}")
    for case, values in times.items():
        median = statistics.median(values)
        used = statistics.median(cpu[case])
        print(
            f"{case:<28}{median:>10.1f}{max(values):>10.1f}{used:>8.1f}"
            f"{queries[case]:>9}{median / first:>8.2f}"
        )
    connections.close_all()  # those of this thread, or the database could not be dropped


if __name__ == "__main__":
    main()
