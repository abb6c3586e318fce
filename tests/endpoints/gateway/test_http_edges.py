"""How the gateway treats its callers: limits, headers, hang-ups, and whatever else they send."""

import gzip
import itertools
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from endpoints.gateway.http import request_body
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import (
    HELLO,
    ask,
    chat,
    credentials_in,
    dial,
    eventually,
    mentions,
    read_to_the_end,
    speak,
    written,
)

MB = 1024 * 1024
CHAT = "/gateway/v1/chat/completions"
HI = b'{"model":"search","messages":[]}'


# The size and the pace of a body


@pytest.mark.parametrize(
    "path", [CHAT, "/gateway/search/v1/files", "/gateway/mlflow/v1/embeddings"]
)
def test_a_body_that_is_declared_too_large_is_not_waited_for(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    head = written(path, token, b"").replace(b"Length: 0", b"Length: %d" % (33 * MB))

    response = speak(gateway, head, seconds=5)

    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in response
    assert not provider.requests


def test_a_body_that_turns_out_too_large_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    chunk = b"%x\r\n%b\r\n" % (MB, b" " * MB)
    head = written(CHAT, token, b"", "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )
    with dial(gateway) as caller:
        caller.sendall(head)
        try:
            for _ in range(40):
                caller.sendall(chunk)
        except OSError:
            pass  # it has hung up already
        response = read_to_the_end(caller)

    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in response
    assert not provider.requests


def test_an_sdk_that_sends_too_much_gets_the_reason(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)

    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(
            model="search", messages=[{"role": "user", "content": "x" * 33 * MB}]
        )

    assert (raised.value.status_code, raised.value.code) == (413, "body_too_large")


def test_a_body_of_almost_the_limit_arrives(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    body = b'{"messages":[{"role":"user","content":"%b"}],"model":"search"}' % (b"x" * 31 * MB)

    answer = ask(gateway, "/v1/chat/completions", body, token=token)

    [request] = provider.requests
    assert answer.status == 200
    assert request.body == body.replace(b'"search"}', b'"gpt-5-mini"}')


def test_a_large_body_without_a_valid_token_is_not_read(gateway: str, endpoint: Endpoint) -> None:
    head = written(CHAT, "gh_wrong", b"").replace(b"Length: 0", b"Length: %d" % (20 * MB))

    response = speak(gateway, head, seconds=5)

    assert response.startswith(b"HTTP/1.1 401 ")


def test_only_a_small_body_is_read_without_a_token(gateway: str, endpoint: Endpoint) -> None:
    answer = ask(gateway, "/v1/chat/completions", b"{" * 20_000, token="gh_nobodys")

    assert (answer.status, answer.code) == (401, "unknown_token")


@pytest.mark.parametrize("path", ["/gateway/v1/chat/completions", "/login/"])
@pytest.mark.parametrize("digits", ["0" * 5000, "9" * 5000])
def test_a_length_without_end_is_no_error_of_ours(
    gateway: str, token: str, path: str, digits: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    response = speak(
        gateway, f"{head}Content-Length: {digits}\r\nConnection: close\r\n\r\n".encode()
    )

    assert not response or response.startswith(b"HTTP/1.1 4")


def test_a_body_that_does_not_come_is_not_waited_for(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.3)

    response = speak(gateway, written(CHAT, token, HI)[:-1], seconds=5)

    assert response.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in response
    assert b"connection: close" in response.lower()
    assert not provider.requests


def test_a_client_that_disconnects_during_its_body_leaves_nothing_behind(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    with dial(gateway) as caller:
        caller.sendall(written(CHAT, token, HI)[:-5])

    assert chat(gateway, token).status == 200
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "body", [b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhel", b"-1\r\n\r\n", b"5;" + b"a" * 70_000]
)
def test_chunks_that_are_garbage_are_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, body: bytes
) -> None:
    head = written(CHAT, token, b"", "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )

    with dial(gateway) as caller:
        caller.sendall(head + body)
        caller.shutdown(socket.SHUT_WR)
        response = read_to_the_end(caller)

    assert not response or response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert not provider.requests


# Headers


@pytest.mark.parametrize(
    ("said", "sent_on"),
    [
        ("application/x-www-form-urlencoded", "application/json"),  # curl -d
        ("", "application/json"),
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
    ],
)
def test_a_body_that_was_read_as_json_is_called_so(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, said: str, sent_on: str
) -> None:
    chat(gateway, token, headers={"Content-Type": said} if said else {})

    assert ("content-type", sent_on) in provider.requests[0].headers


def test_what_is_the_connections_own_does_not_get_through(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    own = [
        "Connection: X-Mine, keep-alive", "X-Mine: no-1", "Keep-Alive: no-2", "TE: no-3",
        "Trailer: no-4", "Proxy-Connection: no-5", "Proxy-Authorization: no-6", "Cookie: a=no-7",
        "X-Forwarded-For: no-8", "X-Forwarded-Host: no-9", "Forwarded: for=no-10", "Via: no-11",
        "X-Real-IP: no-12", "Referer: no-13", "Origin: no-14", "Sec-Fetch-Mode: no-15",
        "X-Gatehouse-Route: no-16", "X-HTTP-Method-Override: no-17", "X-Amz-Security-Token: no-18",
        "Expect: 100-continue", "Accept-Encoding: br, zstd, gzip;q=0.5",
    ]  # fmt: skip

    response = speak(gateway, written(CHAT, token, HI, *own, "X-Yours: yes", close=False)
                 + written(CHAT, token, HI))  # fmt: skip

    request, _ = provider.requests
    names = [name.lower() for name, _ in request.headers]
    assert response.count(b"HTTP/1.1 200 ") == 2
    assert not mentions(request, "no-")
    assert ("x-yours", "yes") in request.headers
    assert ("accept-encoding", "gzip;q=0.5") in request.headers
    assert "expect" not in names
    assert request.headers[0] == ("Host", provider.url.removeprefix("http://"))
    assert names.count("host") == names.count("content-length") == 1


@pytest.mark.parametrize(
    ("path", "more"), [("/v1/chat/completions", {"content-type"}), ("/search/v1/files", set())]
)
def test_no_header_is_made_up(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str, more: set[str]
) -> None:
    ask(gateway, path, HI, token=token)

    names = {name.lower() for name, _ in provider.requests[0].headers}
    assert names == {"host", "authorization", "accept-encoding", "content-length", *more}


def test_a_header_in_utf_8_arrives_as_it_was_sent(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    response = speak(gateway, written(CHAT, token, HI, "X-Title: caf\xc3\xa9"))

    assert response.startswith(b"HTTP/1.1 200 ")
    assert ("x-title", "caf\xc3\xa9") in provider.requests[0].headers  # read as Latin-1


def test_a_header_that_could_not_arrive_as_it_was_sent_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    response = speak(gateway, written(CHAT, token, HI, "X-Title: caf\xe9"))

    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"bad_header" in response
    assert b"x-title" in response
    assert not provider.requests


def test_what_is_between_us_and_the_provider_does_not_get_back(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(
        Response(
            headers=[
                ("Set-Cookie", "session=no.1; Path=/"), ("set-cookie", "b=no.2"),
                ("Connection", "X-Mine"), ("X-Mine", "no.3"), ("Keep-Alive", "timeout=no.4"),
                ("Strict-Transport-Security", "no.5"), ("Alt-Svc", "no.6"), ("Server", "no.7"),
                ("Access-Control-Allow-Origin", "*no.8"), ("X-Gatehouse-Route", "no.9"),
                ("WWW-Authenticate", "no.10"), ("Location", "/no.11"),
                ("X-Accel-Redirect", "/no.12"), ("X-Sendfile", "/no.13"),
                ("X-LiteSpeed-Location", "/no.14"), ("X-Lighttpd-Send-File", "/no.15"),
                ("X-Reproxy-URL", "/no.16"), ("Surrogate-Control", "no.17"),
                ("X-Accel-Expires", "no.18"), ("X-Sendfile-Type", "no.19"),
                ("X-RateLimit-Remaining", "5"), ("X-Request-Id", "req_theirs"),
            ],
            body=b"{}",
        )
    )  # fmt: skip

    answer = chat(gateway, token)

    assert "no." not in str(answer.headers)
    assert answer.headers["x-ratelimit-remaining"] == "5"
    assert answer.headers["x-request-id"] == "req_theirs"
    assert answer.headers["x-gatehouse-request-id"].startswith("req_")
    assert answer.headers["x-content-type-options"] == "nosniff"


# What a browser would keep or obey for the gateway's own origin, and what a cache would.
OF_AN_ORIGIN = """
    Accept-CH Accept-CH-Lifetime Activate-Storage-Access Age Alt-Svc Attribution-Reporting-Info
    Authentication-Info Cache-Control CDN-Cache-Control Clear-Site-Data Cloudflare-CDN-Cache-Control
    Content-Security-Policy Content-Security-Policy-Report-Only Critical-CH
    Cross-Origin-Embedder-Policy Cross-Origin-Embedder-Policy-Report-Only Cross-Origin-Opener-Policy
    Cross-Origin-Resource-Policy Document-Policy Edge-Control Expect-CT Expires Feature-Policy
    Idp-SignIn-Status Integrity-Policy NEL No-Vary-Search Onion-Location Origin-Agent-Cluster
    Origin-Trial
    Permissions-Policy Permissions-Policy-Report-Only Pragma Public-Key-Pins-Report-Only
    Referrer-Policy Refresh Report-To Reporting-Endpoints Sec-Session-Registration
    Service-Worker-Allowed Set-Cookie Set-Login SourceMap Speculation-Rules
    Strict-Transport-Security Supports-Loading-Mode Timing-Allow-Origin Use-As-Dictionary
    WWW-Authenticate X-Archive-Files X-Content-Type-Options X-Frame-Options X-Gatehouse-Anything
    X-Permitted-Cross-Domain-Policies X-SourceMap X-XSS-Protection
""".split()
OF_THE_RESPONSE = (
    "ETag Last-Modified Link Content-Disposition Content-Language X-Request-Id".split()
)


@pytest.mark.parametrize("status", [200, 400])
def test_a_provider_sets_nothing_for_the_gateways_origin(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, status: int
) -> None:
    headers = [(name, "theirs") for name in [*OF_AN_ORIGIN, *OF_THE_RESPONSE]]
    provider.next_responses(Response(status=status, headers=headers, body=b"{}"))

    answer = chat(gateway, token)

    kept = {name for name, value in answer.headers.items() if value == "theirs"}
    assert kept == {name.lower() for name in OF_THE_RESPONSE}


def test_every_response_is_for_its_client_alone_and_runs_nothing(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    ours = {
        "cache-control": "no-store, no-transform",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }

    for answer in (
        chat(gateway, token),
        chat(gateway, token, stream=True),
        chat(gateway, "gh_unknown"),
        ask(gateway, "/v1/models", token=token, method="GET"),
    ):
        assert ours.items() <= answer.headers.items()


def test_compression_passes_through(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    make_endpoint("search", key_at(), model="gzip")

    packed = chat(gateway, token, headers={"Accept-Encoding": "br, gzip"})
    plain = chat(gateway, token, headers={"Accept-Encoding": "br"})

    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in plain.headers


# Callers who hang up


@pytest.mark.parametrize("model", ["slow-30000", "stall", "stream-1000-50"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_disconnects_ends_the_providers_request(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    model: str,
    stream: bool,
) -> None:
    if model.startswith("stream") and not stream:
        model = "slow-20000"
    make_endpoint("search", key_at(), model=model)
    body = b'{"model":"search","messages":[],"stream":%b}' % (b"true" if stream else b"false")

    with dial(gateway) as caller:
        caller.sendall(written(CHAT, token, body))
        eventually(lambda: provider.requests)

    eventually(lambda: provider.aborted == 1, seconds=10)


def test_two_requests_at_once_on_one_connection_are_both_answered(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    response = speak(gateway, written(CHAT, token, HI, close=False) * 9 + written(CHAT, token, HI))

    assert response.count(b"HTTP/1.1 200 ") == 10


# Whatever else they send


@pytest.mark.parametrize(
    "target", ["http://evil.example/gateway", "https://evil.example:1/gateway"]
)
def test_an_absolute_target_is_only_a_path_to_us(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, target: str
) -> None:
    response = speak(gateway, written(f"{target}/search/v1/models", token, b"", method="GET"))

    [request] = provider.requests
    assert response.startswith(b"HTTP/1.1 200 ")
    assert request.target == "/v1/models"
    assert not mentions(request, "evil")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/gateway/search/v1/models",
        "/gateway//evil.example/v1/models",
        "/gateway/search//evil.example/v1",
        "/gateway/search/..%2f..%2fadmin/",
        "/gateway/search/%2e%2e/%2e%2e/admin",
        "/gateway/search/../other/v1/models",
        "/gateway/../gateway/search/v1/models",
        "/gateway/search/..\\..\\x",
        "/gateway/search/%5c%5cevil.example/x",
        "/gateway/search/v1/%0d%0aHost:%20evil.example",
        "/gateway/se%0aarch/v1/models",
        "/gateway/search%00/v1/models",
        "/%67ateway/search/v1/models",
        "/gateway/search/v1/\x7f",
        "/gateway/search/@evil.example/../..",
        "/gateway/search/v1/models?%0d%0aX:1#frag",
        "http:/gateway/search/v1",
        "*",
        "gateway/search/v1/models",
    ],
)
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_no_target_leads_outside_of_the_providers_path(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, target: str, method: str
) -> None:
    response = speak(gateway, written(target, token, b"", method=method))

    assert not response or 200 <= int(response[9:12]) < 500
    for request in provider.requests:
        assert request.target.startswith("/v1/")
        assert ".." not in request.target
        assert "\r" not in request.target
        assert dict(request.headers)["Host"] == provider.url.removeprefix("http://")


@pytest.mark.parametrize(
    "line",
    [
        "X-A: b\rX-Evil: 1",
        "X-A: b\n X-Evil: 1",
        "X-A\r: b",
        "X A: b",
        "X-A: \x00",
        ": b",
        "Content-Length: 5",
        "Content-Length: -1",
        "Content-Length: 1_0",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
        f"X-A: {'b' * 200_000}",
        "Host: evil.example",
        "Upgrade: h2c\r\nConnection: Upgrade",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
    ],
)
def test_no_header_breaks_out(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, line: str
) -> None:
    with dial(gateway) as caller:
        caller.sendall(written(CHAT, token, HI, line))
        caller.shutdown(socket.SHUT_WR)
        response = read_to_the_end(caller)

    assert not response or int(response[9:12]) in (200, 400, 401, 408, 413, 426, 431)
    for request in provider.requests:
        assert not mentions(request, "vil")
        assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]


BODIES: list[tuple[Any, int]] = [
    (b"", 400),
    (b"\x00", 400),
    (b"[]", 400),
    (b"{" * 50_000, 400),
    (b'{"model":' * 50_000, 400),
    (b'{"model":"search"', 400),
    (b'{"model":"\xff"}', 400),
    ({"messages": []}, 400),
    ({"model": 5}, 400),
    ({"model": ["search"]}, 400),
    ({"model": "x" * 100_000}, 404),
    ({"model": "\x00"}, 404),
    ({"model": "a\r\nX-Evil: 1"}, 404),
    ({"model": "../search"}, 404),
    ({"model": "SEARCH"}, 404),
    (b'{"model":"\\ud800"}', 404),
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/anthropic/v1/messages"])
def test_an_invalid_body_is_refused_in_the_clients_dialect(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    for body, status in BODIES:
        answer = ask(gateway, path, body, token=token)

        assert answer.status in (400, 404), body
        assert answer.status == status, body
        assert answer.code in ("not_json", "no_model", "too_complex", "unknown_endpoint")
        assert answer.json().get("type") == ("error" if "anthropic" in path else None)
    assert not provider.requests


def test_a_body_does_not_choose_where_it_goes(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    names = ["api_base", "base_url", "api_key", "custom_llm_provider", "url", "host", "endpoint"]
    body = {"model": "search", "messages": HELLO, **dict.fromkeys(names, "http://127.0.0.1:9")}

    answer = ask(gateway, "/v1/chat/completions?api_base=http://evil.example", body, token=token)

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == "/v1/chat/completions?api_base=http://evil.example"


def test_nothing_that_is_sent_is_answered_with_a_500(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    heads = [b"GET", b"POST", b"HEAD", b"PRI", b"M-SEARCH", b"\x16\x03\x01", b""]
    targets = [b"/gateway/", b"/gateway/v1/models", b"/gateway/search/x", b"/gateway/\xff", b"*"]
    versions = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""]
    lines = (
        b"Host: 127.0.0.1\r\nAuthorization: Bearer %b\r\nConnection: close\r\n\r\n" % token.encode()
    )

    requests = [
        b"%b %b %b\r\n%b" % (*parts, lines) for parts in itertools.product(heads, targets, versions)
    ]
    with ThreadPoolExecutor(16) as threads:  # the server reads on for a moment after a bad one
        answers = list(threads.map(lambda request: speak(gateway, request, seconds=5), requests))

    assert not [each for each in answers if b" 500 " in each.partition(b"\r\n")[0]]
    assert chat(gateway, token).status == 200
