"""``make dev`` serves the code and the templates as they are after each change."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gatewayproject import trial
from tests.installation import ROOT, free_port

SERVED = ("apikeys", "endpoints", "gatewayproject", "static", "templates")
FILES = ("Makefile", "manage.py", "pyproject.toml", "requirements-dev.lock")
TIMEOUT = 60  # seconds
LOG = "make-dev.log"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout that a test can change."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SERVED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def port(checkout: Path) -> Iterator[int]:
    """The port of ``make dev``, as a developer starts it, without a ``.env``."""
    number = free_port()
    # `-o`: the environment that runs the tests has everything, and must not be changed.
    command = ("make", "-o", "install-dev", "dev", f"VENV={sys.prefix}", f"PORT={number}")
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    log = checkout / LOG
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=checkout,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(lambda: "sign in as admin with the password" in log.read_text())
        yield number
    finally:
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
        process.wait(TIMEOUT)
        with pytest.raises(ConnectionRefusedError):
            get(number, "/login/")


def test_a_change_of_a_template_or_of_the_gateway_is_served(checkout: Path, port: int) -> None:
    assert (checkout / "var" / trial.MARKER).exists()
    assert "TemplateChanged" not in get(port, "/login/")
    content = "{% block content %}"
    change(checkout / "templates/registration/login.html", content, f"{content}TemplateChanged")
    wait_for(lambda: "TemplateChanged" in get(port, "/login/"))

    problems = checkout / "endpoints/gateway/http/problems.py"
    assert "Send a gateway token" in get(port, "/gateway/v1/models")
    change(problems, "Send a gateway token", "GatewayChanged")
    wait_for(lambda: "GatewayChanged" in get(port, "/gateway/v1/models"))


def test_a_syntax_error_ends_when_it_is_corrected(checkout: Path, port: int) -> None:
    change(checkout / "endpoints/gateway/app.py", '"""', "def ")
    wait_for(lambda: "SyntaxError" in (checkout / LOG).read_text())

    change(checkout / "endpoints/gateway/app.py", "def ", '"""')
    wait_for(lambda: "Send a gateway token" in get(port, "/gateway/v1/models"))


def change(path: Path, old: str, new: str) -> None:
    """Replace the first ``old``, as an editor does."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds; while the server restarts, nothing listens."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        with suppress(ConnectionError, http.client.HTTPException):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError("Nothing changed.")
