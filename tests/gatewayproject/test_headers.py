"""What every page tells the browser."""

import re

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db

PAGES = [
    "/",
    "/api-keys/",
    "/api-keys/new/",
    "/endpoints/",
    "/endpoints/new/",
    "/activity/",
    "/encryption/",
    "/admin/",
    "/nowhere/",
]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_cached(client: Client, path: str) -> None:
    assert "no-store" in client.get(path).headers["Cache-Control"]


@pytest.mark.parametrize("path", [*PAGES, "/login/"])
def test_the_csp_allows_only_own_scripts_and_styles(client: Client, path: str) -> None:
    if path == "/login/":
        client.logout()

    response = client.get(path)

    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/admin/"])
def test_no_page_contains_what_the_csp_forbids(client: Client, path: str) -> None:
    page = client.get(path).content.decode()

    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:", page)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
    ],
)
def test_every_page_has_the_other_security_headers(client: Client, header: str, value: str) -> None:
    assert client.get("/api-keys/").headers[header] == value


def test_scripts_cannot_read_cookies(anonymous: Client) -> None:
    cookies = anonymous.get("/login/").cookies

    assert all(cookie["httponly"] and cookie["samesite"] == "Lax" for cookie in cookies.values())


def test_a_form_without_a_csrf_token_gets_an_error_page(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies

    response = strict.post("/endpoints/new/", {"name": "search"})

    assert response.status_code == 403
    assert b"<h1" in response.content
