"""Exactly one response for each request, whatever it says about its framing or another protocol."""

import itertools
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider
from gatewayproject.server.uvicorn_limits import MAX_PIPELINED
from tests.endpoints.gateway.client import dial, eventually, read_to_the_end, speak, written

pytestmark = pytest.mark.usefixtures("nothing_slips_out")

CHAT = "/gateway/v1/chat/completions"
HI = b'{"model":"search","messages":[]}'
HANDSHAKE = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
]
# What java.net.http.HttpClient of JDK 17 sends by default with every request over plain HTTP.
JAVA = [
    "Connection: Upgrade, HTTP2-Settings",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    "Upgrade: h2c",
    "User-Agent: Java-http-client/17.0.15",
]
UPGRADES = {
    "unknown": ["Connection: Upgrade", "Upgrade: foo"],
    "h2c": JAVA,
    "websocket": HANDSHAKE,
    "list": ["connection: keep-alive, UPGRADE", "upgrade: h2c, websocket", "Upgrade: foo/1"],
    "proxy": ["Proxy-Connection: Upgrade", "Upgrade: foo"],
    "expected": [*JAVA, "Expect: 100-continue"],
}


def statuses(received: bytes) -> list[int]:
    """Return the status of every response in ``received``, but for interim ones."""
    found = [int(status) for status in re.findall(rb"(?:^|[\r\n}])HTTP/1\.1 (\d{3}) ", received)]
    return [status for status in found if status >= 200]


def smuggled(token: str) -> bytes:
    """Return a request to hide in the body of another one."""
    return written("/gateway/search/v1/SMUGGLED", token, b"", method="GET", close=False)


@pytest.mark.parametrize("lines", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_to_upgrade_is_served_with_its_body(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    lines: list[str],
    chunked: bool,
) -> None:
    request = written(CHAT, token, HI, *lines)
    if chunked:
        head, _, body = request.partition(b"\r\n\r\n")
        head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
        request = head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    for split in range(0, len(request), 7):  # head and body come in two reads, cut anywhere
        with dial(gateway) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(request[:split])
            client.sendall(request[split:])
            assert statuses(read_to_the_end(client)) == [200], split

    for sent in provider.requests:
        assert json.loads(sent.body) == {"model": "gpt-5-mini", "messages": []}
        assert not {"upgrade", "http2-settings"} & {name.lower() for name, _ in sent.headers}


def test_a_request_to_upgrade_is_served_byte_by_byte(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    with dial(gateway) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in written(CHAT, token, HI, *JAVA):
            client.sendall(bytes([byte]))
        received = read_to_the_end(client)

    assert statuses(received) == [200]
    assert len(provider.requests) == 1


@pytest.mark.parametrize("credentials", ["valid", ""])
def test_a_body_is_never_the_next_request(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, credentials: str
) -> None:
    body = b"\r\n" * 100_000 + smuggled(token)
    for path in ("/", "/healthz", CHAT, "/gateway/search/v1/files", "/login/"):
        outer = written(path, credentials and token, body, *UPGRADES["unknown"], close=False)
        with dial(gateway) as client:
            client.sendall(outer[: -len(body)])
            client.sendall(body)
            client.sendall(written("/gateway/v1/models", token, b"", method="GET"))
            received = read_to_the_end(client)

        assert statuses(received)[1:] in ([], [200]), path
        assert len(statuses(received)) <= 2, path
    assert not [sent for sent in provider.requests if "SMUGGLED" in sent.target]


def test_pipelined_requests_are_answered_in_order(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    requests = [
        written("/gateway/search/v1/a", token, b"A" * 300, *JAVA, close=False),
        written("/gateway/search/v1/b", token, b"", *UPGRADES["unknown"], close=False),
        written("/healthz", token, b"xyz", *UPGRADES["unknown"], method="GET", close=False),
        written("/gateway/search/v1/c", token, b"C" * 70_000, *UPGRADES["list"]),
    ]

    received = speak(gateway, b"".join(requests))

    assert len(statuses(received)) == 4
    assert [(sent.target, len(sent.body)) for sent in provider.requests] == [
        ("/v1/a", 300),
        ("/v1/b", 0),
        ("/v1/c", 70_000),
    ]


@pytest.mark.parametrize(
    ("path", "upgrade"),
    [
        ("/", "websocket"),
        ("/gateway/v1/models", "WebSocket"),
        ("/gateway/search/v1/realtime", "h2c, websocket"),
    ],
)
def test_a_websocket_handshake_is_refused_with_advice_to_use_http(
    gateway: str, token: str, path: str, upgrade: str
) -> None:
    lines = [f"Upgrade: {upgrade}", *HANDSHAKE[1:]]
    request = written(path, token, b"", *lines, method="GET", close=False)

    received = speak(gateway, request + b"\x81\x05hello" + smuggled(token))

    assert statuses(received) == [426]
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"upgrade: HTTP/1.1" in head
    assert json.loads(body)["error"]["code"] == "websocket_not_supported"


def test_a_websocket_handshake_waits_for_its_turn(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    handshake = written("/gateway/search/v1/x", token, b"", *HANDSHAKE, method="GET", close=False)

    received = speak(gateway, written(CHAT, token, HI, close=False) + handshake)

    assert statuses(received) == [200, 426]


AMBIGUOUS = {
    "two lengths": "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "different lengths": "Content-Length: 3\r\nContent-Length: 50\r\n\r\nabc",
    "a list of lengths": "Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": "Content-Length: +3\r\n\r\nabc",
    "no length": "Content-Length:\r\n\r\nabc",
    "a huge length": "Content-Length: 99999999999999999999999\r\n\r\nabc",
    "chunked and a length": "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "a length and chunked": "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": "Transfer-Encoding: identity\r\n\r\nabc",
    "xchunked": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "not chunked last": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a folded encoding": "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded header": "X-A: b\r\n c\r\nContent-Length: 3\r\n\r\nabc",
    "a folded upgrade": "Connection:\r\n Upgrade\r\nUpgrade: foo\r\nContent-Length: 3\r\n\r\nabc",
    "a space before the colon": "Content-Length : 3\r\n\r\nabc",
    "bare line feeds": "X-A: b\nContent-Length: 3\n\nabc",
    "a bare carriage return": "X-A: b\rContent-Length: 3\r\n\r\nabc",
    "a NUL": "X-A: \0\r\nContent-Length: 3\r\n\r\nabc",
    "a line feed after an extension": "Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n",
    "a chunk size with a bare line feed": "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "a chunk size in another base": "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size and a space": "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    "a huge chunk": "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\nabc\r\n0\r\n\r\n",
    "a chunk that is too long": "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
}


def test_ambiguous_framing_is_refused_and_nothing_after_it_is_read(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    def send(kind: str, upgrade: str) -> None:
        head = f"POST /gateway/search/v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\n{upgrade}"
        head += f"Authorization: Bearer {token}\r\n"

        received = speak(gateway, (head + AMBIGUOUS[kind]).encode() + smuggled(token))

        assert statuses(received) == [400], kind
        assert b"connection: close" in received, kind

    with ThreadPoolExecutor(16) as threads:  # each connection is read on for a moment
        upgrades = ("", "Connection: Upgrade\r\nUpgrade: foo\r\n")
        list(threads.map(send, *zip(*itertools.product(AMBIGUOUS, upgrades), strict=True)))
    assert not provider.requests


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"])
def test_a_transfer_coding_that_would_not_be_undone_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, coding: str
) -> None:
    head = f"POST /gateway/search/v1/files HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"
    body = f"Transfer-Encoding: {coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    received = speak(gateway, (head + body).encode() + smuggled(token))

    assert statuses(received) in ([400], [501])
    assert b"connection: close" in received
    assert not provider.requests


def test_ambiguous_framing_does_not_disturb_the_response_before_it(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    head = f"POST /gateway/search/v1/files HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"
    good = written(CHAT, token, HI, close=False)

    for kind, framing in AMBIGUOUS.items():
        received = speak(gateway, good + (head + framing).encode() + smuggled(token))

        assert statuses(received) in ([200], [200, 400]), kind
    assert {sent.target for sent in provider.requests} == {"/v1/chat/completions"}


def test_connect_is_refused(gateway: str, token: str) -> None:
    for target in ("example.com:443", "/gateway/search/v1/x"):
        request = f"CONNECT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".encode()

        received = speak(gateway, request + smuggled(token))

        assert statuses(received) in ([400], [405])
        assert b"connection: close" in received


def test_fields_after_a_body_do_not_upgrade_anything(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    head, _, _ = written(CHAT, token, HI, close=False).partition(b"\r\n\r\n")
    head = head.replace(b"Content-Length: %d" % len(HI), b"Transfer-Encoding: chunked")
    trailers = b"Connection: Upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n"
    chunks = b"\r\n\r\n%x;a=b\r\n%b\r\n0\r\n%b\r\n" % (len(HI), HI, trailers)

    received = speak(gateway, head + chunks + written(CHAT, token, HI))

    assert statuses(received) == [200, 200]
    assert len(provider.requests) == 2


def test_requests_sent_ahead_are_not_queued_without_limit(gateway: str) -> None:
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    received = speak(gateway, ask * 1000)

    assert 1 <= len(statuses(received)) <= MAX_PIPELINED + 1
    assert set(statuses(received)) == {200}


NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream gatehouse {{ server 127.0.0.1:{port}; keepalive 2; }}
  server {{
    listen 127.0.0.1:{listen};
    location /gateway/search/v1/SMUGGLED {{ return 403; }}
    location / {{
      proxy_pass http://gatehouse;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off; client_max_body_size 32m;
    }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{listen}
  http-request deny if {{ path_beg /gateway/search/v1/SMUGGLED }}
  default_backend gatehouse
backend gatehouse
  http-reuse always
  server one 127.0.0.1:{port}
"""


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: process.poll() is None and connects(port), seconds=20)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()  # type: ignore[union-attr]


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(params=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest, gateway: str, tmp_path: Path) -> Iterator[str]:
    """The URL of ``/gateway`` behind a reverse proxy that passes ``Upgrade`` on and reuses
    connections."""
    program = shutil.which(request.param, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = probe.getsockname()[1]
    facts = {"dir": tmp_path, "listen": listen, "port": gateway.rpartition(":")[2].split("/")[0]}
    config = tmp_path / "proxy.conf"
    config.write_text((NGINX if request.param == "nginx" else HAPROXY).format(**facts))
    options = ["-p", str(tmp_path), "-c"] if request.param == "nginx" else ["-db", "-f"]
    with running([program, *options, str(config)], listen):
        yield f"http://127.0.0.1:{listen}/gateway"


def test_nothing_is_smuggled_past_a_proxy(
    proxy: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    body = b"\r\n" * 150_000 + smuggled(token)

    for path in (CHAT, "/healthz", "/", "/gateway/search/v1/files") * 2:
        outer = written(path, "unknown", body, *UPGRADES["unknown"], close=False)
        with dial(proxy) as client:
            client.settimeout(10)
            client.sendall(outer)
            client.recv(65536)
        for _ in range(4):  # other clients, over the connections that the proxy keeps
            other = speak(proxy, written("/gateway/v1/models", token, b"", method="GET"))
            assert statuses(other) == [200]
            assert b'"search"' in other

    assert not provider.requests or {sent.target for sent in provider.requests} == {"/v1/files"}


def test_a_request_to_upgrade_is_served_behind_a_proxy(
    proxy: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    for kind, lines in UPGRADES.items():
        received = speak(proxy, written(CHAT, token, HI, *lines))

        assert statuses(received) == [200], kind
    assert [json.loads(sent.body)["model"] for sent in provider.requests] == ["gpt-5-mini"] * len(
        UPGRADES
    )


def test_a_websocket_handshake_is_refused_behind_a_proxy(proxy: str, token: str) -> None:
    request = written("/gateway/v1/models", token, b"", *HANDSHAKE, method="GET", close=False)

    with dial(proxy) as client:
        client.sendall(request)
        received = eventually(lambda: client.recv(65536))

    assert statuses(received) == [426]


JAVA_CLIENT = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int size : new int[] {10, 200000}) {
            String body = "{\\"model\\":\\"search\\",\\"messages\\":[],\\"user\\":\\""
                + "a".repeat(size) + "\\"}";
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("Authorization", "Bearer " + System.getenv("TOKEN"))
                .POST(HttpRequest.BodyPublishers.ofString(body)).build();
            HttpResponse<String> response =
                client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.version());
        }
    }
}
"""


def test_the_http_client_of_java_is_served(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    java = shutil.which("java")
    if java is None:
        pytest.skip("java is not installed")
    (tmp_path / "Ask.java").write_text(JAVA_CLIENT)

    done = subprocess.run(
        [java, str(tmp_path / "Ask.java"), f"{gateway}/v1/chat/completions"],
        env={"TOKEN": token, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.stdout.splitlines() == ["200 HTTP_1_1"] * 2, done.stderr
    assert [len(json.loads(sent.body)["user"]) for sent in provider.requests] == [10, 200_000]
