"""Gatehouse with nothing but requirements.lock: the documented steps, as an operator takes them.

Run it with the Python of an environment that has the lock and nothing else.
"""

import http.client
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
HANDSHAKE = (
    b"GET /gateway/v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def main() -> None:
    for name in ("pytest", "websockets", "botocore"):
        assert importlib.util.find_spec(name) is None, f"{name} is not in requirements.lock"
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="gatehouse-smoke-") as folder:
        installation = Installation(Path(folder))
        installation.manage("check", "--deploy", "--fail-level", "WARNING", HTTPS="true")
        installation.manage("prepare")
        process = installation.start("serve", "--port", "0")
        try:
            port = read_port(process)
            use(installation, port, f"http://127.0.0.1:{provider.server_port}/v1")
        finally:
            process.terminate()
            process.wait(timeout=60)
        assert process.returncode in (0, -15), process.returncode
    print("Gatehouse works with requirements.lock alone.")


class Installation:
    """Production settings and an empty database in a folder."""

    def __init__(self, folder: Path) -> None:
        key = subprocess.check_output(
            [sys.executable, "manage.py", "generate_master_key"], cwd=ROOT
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "STATIC_ROOT": str(folder / "static"),
            "SECRET_KEY": os.urandom(40).hex(),
            "FERNET_KEYS": key.decode().strip(),
            "ALLOWED_HOSTS": "127.0.0.1",
            "ALLOWED_PRIVATE_ORIGINS": "http://127.0.0.1:*",
            "HTTPS": "false",
            "DRAIN_SECONDS": "0",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    def start(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def manage(self, *arguments: str, stdin: str = "", **settings: str) -> str:
        with self.start(*arguments, **settings) as process:
            output, _ = process.communicate(stdin, timeout=120)
        assert process.returncode == 0, f"{arguments}: {process.returncode}"
        return output


class Provider(BaseHTTPRequestHandler):
    """Answers a chat completion to whoever has the key."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        accepted = self.headers["Authorization"] == "Bearer sk-smoke-test-0123456789"
        message = {"role": "assistant", "content": "Hello"}
        body = json.dumps({"object": "chat.completion", "choices": [{"message": message}]}).encode()
        self.send_response(200 if accepted else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def read_port(process: "subprocess.Popen[str]") -> int:
    for line in process.stdout:
        if found := re.search(r"Open http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise AssertionError("It does not serve.")


def use(installation: Installation, port: int, provider_url: str) -> None:
    """Create what is needed, half of it by command and half on the pages, and call the gateway."""
    key = ["my-key", "--provider", "openai", "--set", f"api_base={provider_url}"]
    installation.manage("create_api_key", *key, stdin="sk-smoke-test-0123456789")
    assert "my-key" in installation.manage("list_api_keys")

    browser = Browser(port)
    assert 'name="password"' in browser.post("/login/", username="admin", password="wrong")
    browser.post("/login/", username="admin", password=PASSWORD)
    assert "my-key" in browser.get("/api-keys/")
    route = {"routes-0-model": "gpt-5-mini", "routes-0-api_key": "my-key"}
    counts = {"routes-TOTAL_FORMS": "1", "routes-INITIAL_FORMS": "0"}
    page = browser.post("/endpoints/new/", name="smoke", enabled="on", **route, **counts)
    assert "smoke" in browser.get("/endpoints/"), page

    output = installation.manage("create_gateway_token", "smoke-app", "--all-endpoints")
    [token] = re.findall(r"gh_\S+", output)
    body = {"model": "smoke", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/gateway/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status == 200, text
    assert json.loads(text)["choices"][0]["message"]["content"] == "Hello"

    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(HANDSHAKE)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # until it is closed
    head, _, _ = answer.partition(b"\r\n\r\n")
    status, *lines = head.lower().splitlines()
    assert int(status.split()[1]) == 426, answer
    assert any(line.startswith(b"connection:") and b"close" in line for line in lines), answer


class Browser:
    """Keeps cookies, and posts forms with their token."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, {}

    def get(self, path: str) -> str:
        return self._send("GET", path)

    def post(self, path: str, **values: str) -> str:
        form = HiddenFields()
        form.feed(self.get(path))
        return self._send("POST", path, urlencode({**form.values, **values}))

    def _send(self, method: str, path: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        for header in response.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        text = response.read().decode()
        connection.close()
        if response.status in (302, 303):
            return self.get(response.headers["Location"])
        assert response.status in (200, 422), f"{method} {path}: {response.status}"
        return text


class HiddenFields(HTMLParser):
    """The hidden fields of a page's forms, such as the token against forgery."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        field = dict(attrs)
        if tag == "input" and field.get("type") == "hidden" and field.get("name"):
            self.values[field["name"]] = field.get("value") or ""


if __name__ == "__main__":
    main()
