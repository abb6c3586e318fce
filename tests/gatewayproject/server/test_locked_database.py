"""While the database is locked, pages give up in time, and everything else goes on."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from django.db import connection

from gatewayproject.server.database_limits import limit_database_time
from tests.installation import TIMEOUT, Answer, Installation, Server

PAGES = 9  # one more than there are threads for pages
PATIENCE = 60  # seconds; without limits, the pages would wait as long as the lock is held
SIGN_IN = """
import django; django.setup()
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
user = get_user_model().objects.create_superuser("olga")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(settings.DATABASES["default"]["NAME"])
print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
"""


@pytest.fixture(scope="module")
def facts(prepared: Installation) -> Iterator[tuple[Server, str, str]]:
    """A server, its database, and the cookie of a person who is signed in."""
    with prepared.start("-c", SIGN_IN) as process:
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    database, cookie = out.split()[-2:]
    with prepared.served() as server:
        yield server, prepared.settings.get("DATABASE_URL", database), cookie


@contextmanager
def locked(database: str) -> Iterator[None]:
    """Hold what pages need: a table on PostgreSQL, the right to write on SQLite."""
    if "://" in database:
        other = psycopg.connect(database)
        other.execute("LOCK TABLE apikeys_apikey IN ACCESS EXCLUSIVE MODE")
    else:
        other = sqlite3.connect(database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def ask_for_pages(server: Server, cookie: str, *, write: bool) -> list[Answer]:
    """Ask for nine pages at once; return a list that their responses are added to."""
    responses: list[Answer] = []
    csrf = server.ask("GET", "/login/").headers["Set-Cookie"].partition(";")[0]

    def ask() -> None:
        if not write:
            responses.append(server.ask("GET", "/api-keys/", headers={"Cookie": cookie}))
            return
        headers = {
            "Cookie": f"{cookie}; {csrf}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://127.0.0.1:{server.port}",
        }
        form = f"csrfmiddlewaretoken={csrf.partition('=')[2]}"
        responses.append(server.ask("POST", "/logout/", form, headers))  # deletes the session

    for _ in range(PAGES):
        threading.Thread(target=ask, daemon=True).start()
    return responses


def test_pages_time_out_and_everything_else_continues(facts: tuple[Server, str, str]) -> None:
    server, database, cookie = facts
    static = "/static/css/base.css"
    is_sqlite = "://" not in database
    assert server.ask("GET", "/api-keys/", headers={"Cookie": cookie}).status == 200

    with locked(database):
        give_up_at = monotonic() + PATIENCE
        responses = ask_for_pages(server, cookie, write=is_sqlite)
        others = []
        while len(responses) < PAGES and monotonic() < give_up_at:
            others.append(server.ask("GET", "/healthz").status)
            others.append(server.ask("GET", static).status in (200, 404))
            sleep(0.2)  # the log is a pipe that is not read, so it must stay short

    assert len(responses) == PAGES
    assert {(page.status, page.headers["Retry-After"]) for page in responses} == {(503, "5")}
    assert set(others) == {200, True}
    assert server.ask("GET", "/api-keys/", headers={"Cookie": cookie}).status == 200


@pytest.mark.django_db(transaction=True)
def test_only_pages_have_time_limits_and_a_low_random_page_cost() -> None:
    def limits() -> str:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA busy_timeout")
            else:
                cursor.execute(
                    "SELECT current_setting('lock_timeout') || ', random reads cost ' ||"
                    " current_setting('random_page_cost')"
                )
            return str(cursor.fetchone()[0])

    def in_a_thread(app: Any) -> str:
        found: list[str] = []

        def run() -> None:
            found.append(app({}, None))
            connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return found[0]

    page = limit_database_time(lambda environ, start_response: limits())  # type: ignore[arg-type,return-value]

    assert in_a_thread(page) in ("3000", "3s, random reads cost 1.1")
    assert in_a_thread(lambda environ, start_response: limits()) in (
        "20000",
        "0, random reads cost 4",
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_health_check_does_not_query_the_database(server: Server, method: str) -> None:
    answer = server.ask(method, "/healthz", headers={"Host": "10.0.0.7"})

    assert answer.status == (405 if method == "POST" else 200)
    assert answer.text == {"GET": "ok\n", "HEAD": ""}.get(method, answer.text)
    assert "no-store" in answer.headers["Cache-Control"]
