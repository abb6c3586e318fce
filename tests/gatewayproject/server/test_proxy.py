"""Behind a proxy that ends TLS."""

import tempfile
from collections.abc import Iterator

import pytest

from tests.installation import Installation, Server


@pytest.fixture(scope="module")
def behind_proxy(prepared: Installation) -> Server:
    """A server that trusts its proxy's X-Forwarded-Proto, and no peer of uvicorn's."""
    settings = {"HTTPS": "true", "BEHIND_TLS_PROXY": "true", "FORWARDED_ALLOW_IPS": "192.0.2.1"}
    with prepared.served(**settings) as server:
        yield server


def test_plain_http_is_redirected_to_https(behind_proxy: Server) -> None:
    answer = behind_proxy.ask("GET", "/login/")

    assert answer.status == 301
    assert answer.headers["Location"].startswith("https://127.0.0.1")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_respond_over_plain_http(behind_proxy: Server, path: str) -> None:
    assert behind_proxy.ask("GET", path).status == 200


def test_metrics_are_read_over_plain_http(behind_proxy: Server) -> None:
    """Prometheus asks each pod itself, without the proxy. Without the token, it is refused."""
    assert behind_proxy.ask("GET", "/metrics").status == 401


def test_https_requests_get_hsts_and_secure_cookies(
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


def test_a_header_with_an_underscore_cannot_forge_a_proxy_header(behind_proxy: Server) -> None:
    answer = behind_proxy.ask("GET", "/login/", headers={"X_Forwarded_Proto": "https"})

    assert answer.status == 301


def test_a_trailer_cannot_forge_a_proxy_header(behind_proxy: Server) -> None:
    head = b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-Proto: https\r\n\r\n"

    answer = behind_proxy.say(head + body)

    assert answer.startswith(b"HTTP/1.1 301 ")


def test_uvicorn_takes_the_scheme_from_a_peer_that_it_trusts(prepared: Installation) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}

    with prepared.served(HTTPS="true", FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        assert server.ask("GET", "/login/").status == 301
        assert server.ask("GET", "/login/", headers=forwarded).status == 200


@pytest.fixture
def socket_path() -> Iterator[str]:
    """A path that is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory() as place:
        yield f"{place}/gatehouse.sock"


def test_behind_a_unix_socket_failed_sign_ins_are_counted_by_name(
    prepared: Installation, socket_path: str
) -> None:
    with prepared.served(socket_path=socket_path) as server:
        statuses = [server.sign_in("nobody", f"wrong {number}") for number in range(6)]

    assert statuses == [200, 200, 200, 200, 429, 429]
    assert "Failed sign-in (locked): 'nobody' from an unknown address" in server.log[0]


def test_behind_a_unix_socket_the_proxy_can_set_the_address(
    prepared: Installation, socket_path: str
) -> None:
    here, there = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "203.0.113.8"}

    with prepared.served(socket_path=socket_path, FORWARDED_ALLOW_IPS="*") as server:
        statuses = [server.sign_in("somebody", f"wrong {number}", **here) for number in range(5)]
        elsewhere = server.sign_in("somebody", "wrong", **there)

    assert (statuses[-1], elsewhere) == (429, 200)
    assert "Failed sign-in: 'somebody' from 203.0.113.8" in server.log[0]
