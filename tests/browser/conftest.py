"""A browser, a server, and people who use one with the other."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, expect

from .person import PASSWORD, OpenBrowser, Person
from .serving import Server
from .watching import Watch

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 15_000  # milliseconds; a busy machine is slow, not wrong

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    installed = next(filter(None, map(shutil.which, BROWSERS)), None)
    if installed is None:
        reason = (
            f"No browser is installed: none of {', '.join(BROWSERS)} (apt-get install chromium)"
        )
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
    """Gatehouse, served, on this test's database. It has answered nobody yet."""
    shared_server.exchanges.clear()
    return shared_server


@pytest.fixture
def open_browser(
    server: Server, new_context: Callable[..., BrowserContext]
) -> Iterator[OpenBrowser]:
    """Open a browser for somebody. Whatever it complains about until the end fails the test."""
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


@pytest.fixture
def kim(db: None) -> User:
    """Somebody who may do everything."""
    return User.objects.create_superuser("kim", "kim@example.com", PASSWORD)


@pytest.fixture(params=["with scripts", "without scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    return request.param == "with scripts"


@pytest.fixture
def person(open_browser: OpenBrowser, kim: User, scripts: bool) -> Person:
    """Kim, signed in, once with scripts and once without."""
    return open_browser(kim, scripts=scripts)
