"""Guessing passwords: what is counted, by whom, and what a guess may cost."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BasePasswordHasher,
    PBKDF2PasswordHasher,
)
from django.contrib.auth.models import User
from django.db.models import Sum
from django.test import Client
from pytest_django import Settings

from gatewayproject.accounts import passwords
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.server import body_limit
from gatewayproject.server.body_limit import limit_sign_ins
from tests.conftest import MakeKey
from tests.endpoints.gateway.client import eventually
from tests.endpoints.gateway.event_loops import run

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
MALFORMED = [
    "evil<script>",
    "unix:",
    "a,b,c",
    "1.2.3.4, 5.6.7.8",
    "x" * 60,
    "[::1",
    "\x00",
    "::1::",
]


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga", password=PASSWORD)


def sign_in(password: str, address: str = "192.0.2.7", username: str = "olga") -> int:
    form = {"username": username, "password": password}
    return Client().post("/login/", form, REMOTE_ADDR=address).status_code


def fail(times: int, address: str | Callable[[int], str] = "192.0.2.7") -> list[int]:
    where = address if callable(address) else lambda _: address
    return [sign_in(f"wrong {number}", where(number)) for number in range(times)]


@pytest.mark.parametrize("address", ["", *MALFORMED])
def test_failures_without_a_client_address_are_counted(olga: User, address: str) -> None:
    assert fail(5, address) == [200, 200, 200, 200, 429]
    assert sign_in(PASSWORD, address) == 429
    assert sign_in(PASSWORD) == 302


def test_an_ipv6_64_counts_as_one_address(olga: User) -> None:
    assert fail(5, lambda number: f"2001:db8:1:2:{number}::{number}")[-1] == 429
    assert sign_in(PASSWORD, "2001:db8:1:2::99") == 429
    assert sign_in(PASSWORD, "2001:db8:1:3::1") == 302


def test_an_address_counts_the_same_in_every_spelling(olga: User) -> None:
    spellings = ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207", "192.0.2.7", "192.0.2.7"]

    assert fail(5, spellings.__getitem__)[-1] == 429


def test_guesses_from_many_addresses_lock_the_account_except_for_known_addresses(
    olga: User, settings: Settings
) -> None:
    settings.LOGIN_FAILURE_LIMIT_PER_ACCOUNT = 8
    assert sign_in(PASSWORD, "198.51.100.1") == 302

    assert fail(8, lambda number: f"192.0.2.{number}")[-1] == 429

    assert sign_in(PASSWORD, "203.0.113.1") == 429
    assert sign_in(PASSWORD, "198.51.100.1") == 302
    User.objects.create_user("paul", password=PASSWORD)
    assert sign_in(PASSWORD, "203.0.113.1", "paul") == 302


def test_attempts_during_a_lock_do_not_extend_it(olga: User) -> None:
    fail(5)
    before = AccessAttempt.objects.values_list("attempt_time", "failures_since_start").get()

    assert fail(3) == [429] * 3

    after = AccessAttempt.objects.values_list("attempt_time", "failures_since_start").get()
    assert after == before


def test_a_wrong_old_password_counts_like_a_failed_sign_in(olga: User) -> None:
    client = Client()
    client.force_login(olga)
    form = {"new_password1": "another horse battery", "new_password2": "another horse battery"}

    def change(old_password: str) -> int:
        return client.post("/password/", {**form, "old_password": old_password}).status_code

    assert change(PASSWORD) == 302
    assert [change(f"wrong {number}") for number in range(5)][-1] == 429
    assert change("another horse battery") == 429
    olga.refresh_from_db()
    assert olga.check_password("another horse battery")
    assert AccessAttempt.objects.aggregate(n=Sum("failures_since_start"))["n"] == 5


@pytest.mark.parametrize("address", MALFORMED)
def test_a_malformed_address_is_recorded_as_unknown(
    client: Client, make_key: MakeKey, address: str
) -> None:
    key = make_key()

    response = client.post(f"/api-keys/{key.pk}/disable/", {"rev": key.rev}, REMOTE_ADDR=address)

    assert response.status_code == 302
    assert AuditEvent.objects.about(key).latest("id").address == ""


def test_a_failed_sign_in_is_logged_with_name_and_address(
    olga: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    sign_in("wrong", "2001:db8:1:2::7", "ol\nga" + "x" * 100)
    fail(6, "")

    said = [record.getMessage() for record in caplog.records if record.name.endswith("sign_in")]
    assert said[0] == f"Failed sign-in: 'ol\\nga{'x' * 75}' from 2001:db8:1:2::7"
    assert said[1] == "Failed sign-in: 'olga' from an unknown address"
    assert said[-1] == "Failed sign-in (locked): 'olga' from an unknown address"
    assert "wrong" not in caplog.text


# Hashing


@contextmanager
def full_queue() -> Iterator[None]:
    """Keep as many passwords as may wait in the queue while the block runs."""
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def hash_slowly() -> None:
        begun.release()
        go_on.wait()

    with ThreadPoolExecutor(passwords.MAX_QUEUED) as pool:
        try:
            for _ in range(passwords.MAX_QUEUED):
                pool.submit(passwords.compute, hash_slowly)
            begun.acquire()
            eventually(lambda: passwords._thread._work_queue.qsize() == passwords.MAX_QUEUED - 1)
            assert not begun.acquire(blocking=False)  # one at once
            yield
        finally:
            go_on.set()


def test_a_full_hashing_queue_returns_503(olga: User) -> None:
    with full_queue():
        for username in ("olga", "nobody"):
            form = {"username": username, "password": PASSWORD}
            response = Client().post("/login/", form)

            assert response.status_code == 503
            assert response.headers["Retry-After"] == "2"
            assert PASSWORD.encode() not in response.content

    assert sign_in(PASSWORD) == 302
    assert not AccessAttempt.objects.exists()


def test_a_hash_costs_19_mb_and_one_core(olga: User) -> None:
    assert olga.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("hasher", [Argon2PasswordHasher(), PBKDF2PasswordHasher()])
def test_a_hash_with_other_parameters_is_updated_on_sign_in(
    olga: User, hasher: BasePasswordHasher
) -> None:
    User.objects.update(password=hasher.encode(PASSWORD, "a-salt-of-its-own"))

    assert sign_in(PASSWORD) == 302

    olga.refresh_from_db()
    assert "$m=19456,t=2,p=1$" in olga.password


# Concurrent sign-ins


async def statuses_of(requests: int, path: str, method: str, refused: int) -> list[int]:
    """Send ``requests`` at once to an application that serves none before some were refused."""
    go_on, statuses, at_once, most = asyncio.Event(), [], 0, 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await go_on.wait()
        at_once -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    limited = limit_sign_ins(app, at_once=2, waiting=3)
    scope = {"type": "http", "method": method, "path": path}
    async with asyncio.TaskGroup() as group:
        for _ in range(requests):
            group.create_task(limited(scope, None, send))
        while len(statuses) < refused or not at_once:
            await asyncio.sleep(0)
        go_on.set()
    assert most == (2 if (method, path) == ("POST", "/login/") else requests)
    return statuses


@pytest.mark.parametrize(
    ("path", "method", "refused"),
    [("/login/", "POST", 4), ("/login/", "GET", 0), ("/api-keys/", "POST", 0)],
)
def test_concurrent_sign_ins_are_limited_and_other_pages_are_not(
    path: str, method: str, refused: int
) -> None:
    assert run(statuses_of(9, path, method, refused)) == [503] * refused + [200] * (9 - refused)


def test_a_queued_sign_in_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "SIGN_IN_SECONDS", 0)

    assert run(statuses_of(4, "/login/", "POST", 2)) == [503, 503, 200, 200]
