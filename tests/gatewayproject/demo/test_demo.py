"""``make demo``: a sample of everything, served, without an account at any provider."""

import itertools
import json
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.installation import TIMEOUT, Installation, Server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def demo_settings() -> dict[str, str]:
    return {"DEBUG": "true", "HTTPS": "false"}


def test_the_demo_serves_a_request(tmp_path: Path, demo_settings: dict[str, str]) -> None:
    port = _free_port()
    installation = Installation(tmp_path, demo_settings)
    with installation.start("manage.py", "demo", "--port", str(port)) as process:
        try:
            server = Server(port, process)
            server.wait_until_ready()
            lines = iter(process.stdout.readline, "")
            welcome = "".join(itertools.takewhile(lambda line: "Ctrl-C" not in line, lines))
            token = re.search(r"Bearer (gh_\S+)\"", welcome)[1]
            headers = {"Authorization": f"Bearer {token}"}
            body = {"model": "unlucky", "messages": [{"role": "user", "content": "Hello"}]}

            answer = server.ask("POST", "/gateway/v1/chat/completions", json.dumps(body), headers)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)

    assert answer.status == 200
    assert "You said: Hello" in answer.text
    assert "key=groq-fast" in answer.headers["x-gatehouse-route"]  # the fallback


def test_it_refuses_to_run_in_production(tmp_path: Path) -> None:
    settings = {
        "SECRET_KEY": "x" * 60,
        "FERNET_KEYS": "3Vd4dW0x9bQk8K1c2mT5yZr7uN6pL0aHsEwJfGiXoRM=",
        "ALLOWED_HOSTS": "localhost",
    }

    done = Installation(tmp_path, settings).manage("demo")

    assert done.returncode == 1
    assert "make demo" in done.stderr


def test_it_refuses_a_database_with_keys(tmp_path: Path, demo_settings: dict[str, str]) -> None:
    installation = Installation(tmp_path, demo_settings)
    installation.manage("prepare")
    installation.manage("create_api_key", "mine", "--provider", "openai", stdin="sk-made-up-0001")

    done = installation.manage("demo")

    assert done.returncode == 1
    assert "Use an empty directory" in done.stderr
