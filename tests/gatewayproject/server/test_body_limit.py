"""What the server takes in, tested over real connections."""

import socket
import time

import pytest

from gatewayproject.asgi import MAX_PAGE_BODIES
from tests.endpoints.gateway.client import eventually
from tests.installation import Server

MIB = 1024 * 1024


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    head = f"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {50 * MIB}\r\n\r\n"

    answer = server.say(head.encode())

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Nothing was saved" in answer


def test_a_body_of_undeclared_length_is_refused_once_it_is_too_large(server: Server) -> None:
    head = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    answer = server.say(head + chunk * 17)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/login/", "/static/css/base.css"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_client_that_sends_all_of_a_refused_body_sees_the_response(
    server: Server, path: str, is_chunked: bool
) -> None:
    """Closing over unread bytes would reset the connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    if is_chunked:
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        request = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 100 + b"0\r\n\r\n"
    else:
        request = head + b"Content-Length: %d\r\n\r\n" % (6 * MIB) + b"x" * (6 * MIB)

    answers = [server.say(request) for _ in range(5)]

    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 413 "] * 5
    assert all(answer.endswith(b"Nothing was saved.\n") for answer in answers)


def test_a_form_that_is_too_large_gets_an_error_page(server: Server) -> None:
    body = "name=" + "x" * (600 * 1024)
    cookie = server.ask("GET", "/login/").headers["Set-Cookie"].partition(";")[0]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}

    answer = server.ask("POST", "/login/", body, headers)

    assert answer.status == 413
    assert "<h1" in answer.text
    assert "xxxx" not in answer.text


def test_slow_clients_do_not_delay_other_requests(server: Server) -> None:
    head = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nname="
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for connection in slow:
        connection.sendall(head)
    time.sleep(0.2)

    started = time.monotonic()
    answer = server.ask("GET", "/login/")

    assert answer.status == 200
    assert time.monotonic() - started < 5
    for connection in slow:
        connection.close()


def test_large_unfinished_bodies_do_not_block_forms(server: Server) -> None:
    """All together are bounded. What does not fit is refused, but never a form of usual size."""
    head = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    large = head % MIB + b"x" * (MIB - 1)

    def send_large() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        connection.sendall(large)
        return connection

    held = [send_large() for _ in range(MAX_PAGE_BODIES // MIB + 1)]
    with send_large() as connection:
        refused = connection.recv(65536)
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in refused
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.ask("POST", "/login/", "username=olga", form).status == 403  # no CSRF token

    for connection in held:
        connection.close()
    eventually(lambda: server.ask("POST", "/login/", "x" * 200_000, form).status != 503)


def test_a_client_can_disconnect_in_the_middle_of_a_body(server: Server) -> None:
    head = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nname="
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head)

    assert server.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize(
    "query",
    [
        b"q=%00",
        b"q=\xff\xfe",
        b"q=%ff%fe",
        "q=ключ".encode(),
        b"q=%",
        b"&&==;;",
        b"q=" + b"x" * 9000,
    ],
)
def test_a_malformed_query_is_not_an_internal_error(server: Server, query: bytes) -> None:
    request = b"GET /login/?%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % query

    answer = server.say(request)

    assert int(answer.split(b" ")[1]) in (200, 400)


@pytest.mark.parametrize(
    "path", [b"/%00", b"/%ff", b"//login/", b"/api-keys/%2e%2e/%2e%2e/", b"/%0d%0aX:y"]
)
def test_a_malformed_path_is_not_an_internal_error(server: Server, path: bytes) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path

    answer = server.say(request)

    assert int(answer.split(b" ")[1]) in (302, 400, 404)
    assert b"\r\nX:y" not in answer


def test_an_unknown_host_is_refused(server: Server) -> None:
    assert server.ask("GET", "/login/", headers={"Host": "evil.example"}).status == 400
