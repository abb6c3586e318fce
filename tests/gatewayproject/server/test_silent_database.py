"""PostgreSQL takes every packet and answers none. Pages give up, and processes end."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.endpoints.gateway.client import eventually
from tests.installation import Answer, Installation, Server
from tests.silent_proxy import SilentProxy, silent_proxy

PAGES = 20  # more than there are threads for pages
UPLOAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
SESSION = {"Cookie": f"gatehouse_session={'a' * 32}"}
PATIENCE = 120  # seconds; without limits, a page would wait until the kernel gives up


@dataclass
class Behind:
    """A server whose connections to the database go through a proxy."""

    proxy: SilentProxy
    server: Server
    give_up_at: float


@contextmanager
def served_behind_proxy(prepared: Installation, *options: str) -> Iterator[Behind]:
    url = urlsplit(prepared.settings.get("DATABASE_URL", ""))
    if not url.hostname:
        pytest.skip("SQLite is not reached through a network")
    with silent_proxy(url.hostname, url.port or 5432) as proxy:
        netloc = f"{url.username}@127.0.0.1:{proxy.port}"
        installation = prepared.with_settings(DATABASE_URL=url._replace(netloc=netloc).geturl())
        with installation.served(*options) as server:
            yield Behind(proxy, server, time.monotonic() + PATIENCE)


def ask_for_pages(server: Server, number: int) -> list[tuple[float, Answer]]:
    """Ask for pages at once; return a list that durations and responses are added to."""
    found: list[tuple[float, Answer]] = []

    def ask() -> None:
        start = time.monotonic()
        page = server.ask("GET", "/api-keys/", headers=SESSION, timeout=PATIENCE)
        found.append((time.monotonic() - start, page))

    for _ in range(number):
        threading.Thread(target=ask, daemon=True).start()
    return found


def test_pages_return_503_in_time_and_recover(prepared: Installation) -> None:
    with served_behind_proxy(prepared) as behind:
        server = behind.server
        assert server.ask("GET", "/api-keys/", headers=SESSION).status == 302
        assert server.ask("GET", "/readyz").status == 200
        behind.proxy.silence()

        pages, others = ask_for_pages(server, PAGES), []
        while len(pages) < PAGES and time.monotonic() < behind.give_up_at:
            others.append(server.ask("GET", "/healthz").status)
            others.append(server.ask("GET", "/static/css/base.css").status in (200, 404))
            time.sleep(0.2)
        ready = server.ask("GET", "/readyz")

        behind.proxy.forward()
        eventually(
            lambda: server.ask("GET", "/api-keys/", headers=SESSION).status == 302, seconds=PATIENCE
        )
        eventually(lambda: server.ask("GET", "/readyz").status == 200, seconds=PATIENCE)

    assert [page.status for _, page in pages] == [503] * PAGES
    assert all(page.headers["Retry-After"] for _, page in pages)
    assert set(others) == {200, True}
    assert (ready.status, ready.text) == (503, "the database does not respond in time\n")


@pytest.mark.parametrize("options", [(), ("--timeout-graceful-shutdown", "2")])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_the_server_while_the_database_is_silent(
    prepared: Installation, options: tuple[str, ...], workers: str
) -> None:
    """With pages that wait for it, and uploads that do not go on."""
    with served_behind_proxy(prepared, "--workers", workers, *options) as behind:
        server = behind.server
        eventually(lambda: server.ask("GET", "/readyz").status == 200, seconds=PATIENCE)
        behind.proxy.silence()
        with ExitStack() as stack:
            for path in ("/login/", "/gateway/v1/chat/completions"):
                stalled = stack.enter_context(server.connect())
                stalled.sendall(UPLOAD % path.encode())
            ask_for_pages(server, 4)
            time.sleep(1)
            server.process.send_signal(signal.SIGTERM)

            server.process.wait(timeout=PATIENCE)


def test_a_worker_keeps_at_most_16_connections(prepared: Installation) -> None:
    """docs/operations.md has the sum."""
    url = prepared.settings.get("DATABASE_URL", "")
    if not url:
        pytest.skip("SQLite has no connections to count")
    paths = ["/api-keys/", "/static/missing.css", "/readyz", "/gateway/v1/models"] * 30
    headers = {**SESSION, "Authorization": "Bearer gh_made_up"}
    with prepared.served() as server, psycopg.connect(url, autocommit=True) as other:
        with ThreadPoolExecutor(40) as threads:
            list(threads.map(lambda path: server.ask("GET", path, headers=headers), paths))
        counted = other.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()

    assert counted is not None
    print(counted)
    assert 8 < counted[0] <= 16
