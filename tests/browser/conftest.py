"""A browser, a server, and people who use one with the other."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.cache import cache
from playwright.sync_api import BrowserContext, expect

from apikeys.views import test_credentials
from gatewayproject.demo.provider import Provider

from .chromium import BROWSERS, QUIET, installed_browser
from .person import PASSWORD, OpenBrowser, Person
from .serving import Server
from .watching import Watch

PATIENCE = 15_000  # milliseconds; a busy machine is slow, not wrong

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    installed = installed_browser()
    if installed is None:
        install = "apt-get install chromium-headless-shell"
        reason = f"No browser is installed: none of {', '.join(BROWSERS)} ({install})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return {**browser_type_launch_args, "executable_path": installed, "args": QUIET}


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    with Server().running() as server:
        yield server


@pytest.fixture
def server(transactional_db: None, shared_server: Server) -> Server:
    """Gatehouse, served, on this test's database. It has served no request yet."""
    shared_server.exchanges.clear()
    return shared_server


@pytest.fixture
def open_browser(
    server: Server, new_context: Callable[..., BrowserContext]
) -> Iterator[OpenBrowser]:
    """Open a browser for a user. Any error that it reports until the end fails the test."""
    watches: list[Watch] = []

    def open_for(user: User | None = None, *, scripts: bool = True, **how: Any) -> Person:
        context = new_context(
            base_url=server.url,
            java_script_enabled=scripts,
            reduced_motion="reduce",  # colours that are on their way are neither light nor dark
            **how,
        )
        context.set_default_timeout(PATIENCE)
        watch = Watch()
        watch.keep_an_eye_on(context)
        watches.append(watch)
        person = Person(context.new_page(), watch, server.url, scripts)
        if user is not None:
            person.is_signed_in_as(user)
        return person

    yield open_for
    assert [complaint for watch in watches for complaint in watch.complaints] == []


@pytest.fixture(scope="session")
def hashed_password() -> str:
    return make_password(PASSWORD)


@pytest.fixture
def kim(db: None, hashed_password: str) -> User:
    """Somebody who may do everything."""
    return User.objects.create(
        username="kim",
        email="kim@example.com",
        password=hashed_password,
        is_staff=True,
        is_superuser=True,
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with scripts, and also without them if it is marked ``both_ways``."""
    if "scripts" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both_ways")
        ways = {"with scripts": True, **({"without scripts": False} if both else {})}
        metafunc.parametrize("scripts", ways.values(), ids=ways.keys())


@pytest.fixture
def person(open_browser: OpenBrowser, kim: User, scripts: bool) -> Person:
    """Kim, signed in."""
    return open_browser(kim, scripts=scripts)


@pytest.fixture
def untimed_provider(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A provider on loopback; no pause between two tests of credentials."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    monkeypatch.setattr(test_credentials, "PAUSE", 0)
    cache.clear()
    with Provider().running() as provider:
        yield provider
