"""Behind a proxy that ends TLS."""

import pytest

from tests.project.installation import Installation, Server


@pytest.fixture(scope="module")
def behind_proxy(prepared: Installation) -> Server:
    """A server that trusts its proxy's X-Forwarded-Proto, and no peer of uvicorn's."""
    settings = {"HTTPS": "true", "BEHIND_TLS_PROXY": "true", "FORWARDED_ALLOW_IPS": "192.0.2.1"}
    with prepared.served(**settings) as server:
        yield server


def test_plain_http_is_sent_on_to_https(behind_proxy: Server) -> None:
    answer = behind_proxy.ask("GET", "/login/")

    assert answer.status == 301
    assert answer.headers["Location"].startswith("https://127.0.0.1")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_answer_over_plain_http(behind_proxy: Server, path: str) -> None:
    assert behind_proxy.ask("GET", path).status == 200


def test_what_came_by_https_is_served_with_hsts_and_cookies_for_https_only(
    behind_proxy: Server,
) -> None:
    answer = behind_proxy.ask("GET", "/login/", headers={"X-Forwarded-Proto": "https"})

    assert answer.status == 200
    hsts = answer.headers["Strict-Transport-Security"]
    assert hsts == "max-age=31536000; includeSubDomains; preload"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-csrf=")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie


def test_a_header_with_an_underscore_cannot_imitate_the_proxy(behind_proxy: Server) -> None:
    answer = behind_proxy.ask("GET", "/login/", headers={"X_Forwarded_Proto": "https"})

    assert answer.status == 301


def test_a_field_behind_the_body_cannot_imitate_the_proxy(behind_proxy: Server) -> None:
    head = b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-Proto: https\r\n\r\n"

    answer = behind_proxy.say(head + body)

    assert answer.startswith(b"HTTP/1.1 301 ")


def test_uvicorn_takes_the_scheme_from_a_peer_that_it_trusts(prepared: Installation) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}

    with prepared.served(HTTPS="true", FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        assert server.ask("GET", "/login/").status == 301
        assert server.ask("GET", "/login/", headers=forwarded).status == 200
