"""What the server takes in, tested over real connections."""

import socket
import time

import pytest

from tests.project.installation import Server

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


def test_a_form_that_is_too_large_for_a_page_gets_a_page_that_says_so(server: Server) -> None:
    body = "name=" + "x" * (600 * 1024)
    cookie = server.ask("GET", "/login/").headers["Set-Cookie"].partition(";")[0]
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}

    answer = server.ask("POST", "/login/", body, headers)

    assert answer.status == 413
    assert "<h1" in answer.text
    assert "xxxx" not in answer.text


def test_slow_senders_keep_nobody_waiting(server: Server) -> None:
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


def test_somebody_who_hangs_up_half_way_does_no_harm(server: Server) -> None:
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
def test_an_odd_query_string_is_no_error_of_ours(server: Server, query: bytes) -> None:
    request = b"GET /login/?%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % query

    answer = server.say(request)

    assert int(answer.split(b" ")[1]) in (200, 400)


@pytest.mark.parametrize(
    "path", [b"/%00", b"/%ff", b"//login/", b"/api-keys/%2e%2e/%2e%2e/", b"/%0d%0aX:y"]
)
def test_an_odd_path_is_no_error_of_ours(server: Server, path: bytes) -> None:
    request = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path

    answer = server.say(request)

    assert int(answer.split(b" ")[1]) in (302, 400, 404)
    assert b"\r\nX:y" not in answer


def test_a_host_that_is_not_ours_is_refused(server: Server) -> None:
    assert server.ask("GET", "/login/", headers={"Host": "evil.example"}).status == 400
