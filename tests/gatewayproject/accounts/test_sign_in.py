"""Who gets in, and to what."""

import re
from collections.abc import Iterator
from urllib.parse import unquote
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
OPEN_TO_ALL = {"login/", "favicon.ico", "healthz", "readyz", "metrics"}
SAMPLES = {"uuid": str(uuid4()), "int": "1", "str": "x", "slug": "x", "path": "x"}


def all_paths(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Yield a URL for every pattern of the project."""
    for entry in resolver.url_patterns:
        pattern = re.sub(r"<(?:(\w+):)?\w+>", lambda m: SAMPLES[m[1] or "str"], str(entry.pattern))
        path = prefix + re.sub(r"\(\?P\w+\)|[\^$]|\\Z", "", pattern).replace("(?Px.*)", "x/")
        if isinstance(entry, URLPattern):
            yield path
        else:
            yield from all_paths(entry, path)


def login(client: Client, password: str, username: str = "olga") -> int:
    return client.post("/login/", {"username": username, "password": password}).status_code


@pytest.fixture
def olga(db: None) -> User:
    return User.objects.create_user("olga", password=PASSWORD)


def test_all_pages_but_a_few_require_signing_in(anonymous: Client) -> None:
    paths = set(all_paths(get_resolver()))
    assert len(paths) > 50
    assert paths > OPEN_TO_ALL

    for path in sorted(paths - OPEN_TO_ALL):
        for method in (anonymous.get, anonymous.post):
            response = method(f"/{path}")
            assert response.status_code == 302, path
            assert response.headers["Location"].startswith(("/login/", "/admin/login/")), path


@pytest.mark.parametrize("path", ["/login/", "/healthz", "/readyz", "/static/css/base.css"])
def test_what_the_login_page_needs_is_public(anonymous: Client, path: str) -> None:
    response = anonymous.get(path)

    assert response.status_code == 200
    response.close()


def test_signing_in_returns_to_the_requested_page(anonymous: Client, olga: User) -> None:
    asked = anonymous.get("/api-keys/?q=search", follow=True)
    assert asked.redirect_chain[-1][0] == "/login/?next=/api-keys/%3Fq%3Dsearch"

    form = {"username": "olga", "password": PASSWORD, "next": "/api-keys/?q=search"}
    response = anonymous.post("/login/", form)

    assert response.headers["Location"] == "/api-keys/?q=search"


def test_signing_in_redirects_only_to_this_site(anonymous: Client, olga: User) -> None:
    form = {"username": "olga", "password": PASSWORD, "next": "https://evil.example/"}

    response = anonymous.post("/login/", form)

    assert response.headers["Location"] == "/"


def test_the_admin_has_no_separate_login_page(anonymous: Client, client: Client) -> None:
    response = anonymous.get("/admin/login/?next=/admin/auth/user/")
    assert unquote(response.headers["Location"]) == "/login/?next=/admin/auth/user/"

    assert client.get("/admin/").status_code == 200


def test_a_user_who_is_not_staff_is_redirected_from_the_admin(
    anonymous: Client, olga: User
) -> None:
    anonymous.force_login(olga)

    response = anonymous.get("/admin/", follow=True)

    assert response.status_code == 200
    assert response.redirect_chain[-1][0] == "/"


def test_passwords_are_hashed_with_argon2(olga: User) -> None:
    assert olga.password.startswith("argon2$argon2id$")


def test_after_five_wrong_passwords_even_the_right_one_is_refused(
    anonymous: Client, olga: User
) -> None:
    statuses = [login(anonymous, f"wrong {attempt}") for attempt in range(5)]

    assert statuses == [200, 200, 200, 200, 429]
    locked = anonymous.post("/login/", {"username": "olga", "password": PASSWORD})
    assert locked.status_code == 429
    assert b"<h1" in locked.content
    assert PASSWORD.encode() not in locked.content


def test_a_lock_does_not_affect_other_accounts(anonymous: Client, olga: User) -> None:
    User.objects.create_user("paul", password=PASSWORD)
    for attempt in range(5):
        login(anonymous, f"wrong {attempt}")

    assert login(anonymous, PASSWORD, username="paul") == 302


def test_signing_in_resets_the_failure_count(anonymous: Client, olga: User) -> None:
    for attempt in range(4):
        login(anonymous, f"wrong {attempt}")
    assert login(anonymous, PASSWORD) == 302
    anonymous.logout()

    assert login(anonymous, "wrong again") == 200


def test_a_lock_expires(anonymous: Client, olga: User, settings: Settings) -> None:
    for attempt in range(5):
        login(anonymous, f"wrong {attempt}")

    settings.AXES_COOLOFF_TIME = 0.0000001  # hours

    assert login(anonymous, PASSWORD) == 302


def test_signing_out_ends_the_session(client: Client) -> None:
    session = client.cookies["gatehouse_session"].value

    client.post("/logout/")

    client.cookies["gatehouse_session"] = session
    assert client.get("/").status_code == 302
