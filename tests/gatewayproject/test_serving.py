"""``make run``: it takes the port, prepares, and ends with how to sign in."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import fakes
from tests.installation import TIMEOUT, Installation, Server

CONFIGURATION = [
    {"DEBUG": "false"},
    {"SECRET_KEY": "x" * 60},
    {"FERNET_KEYS": "x"},
    {"FERNET_KEYS_FILE": "/nowhere"},
    {"ALLOWED_HOSTS": "gatehouse.example"},
    {"DATABASE_URL": "sqlite:////nowhere/db.sqlite3"},
]


@contextmanager
def started(installation: Installation, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with installation.start("manage.py", *arguments) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)


def read_until_it_serves(process: subprocess.Popen[str]) -> list[str]:
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Open "):
            return lines
    raise AssertionError(process.stderr.read())


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    """A machine on which nothing is configured."""
    return Installation(tmp_path / "data")


def test_it_ends_with_address_account_and_password_and_commands_go_on_with_the_trial(
    fresh: Installation,
) -> None:
    with started(fresh.with_settings(DEBUG="true"), "serve", "--port", "0", "--trial") as process:
        *before, last = read_until_it_serves(process)
        address, account = last.removeprefix("Open http://127.0.0.1:").split(" and sign in as ")
        socket.create_connection(("127.0.0.1", int(address)), timeout=TIMEOUT).close()
    created = fresh.manage("create_api_key", "mine", "--provider", "openai", stdin=fakes.OPENAI_KEY)
    listed = fresh.manage("list_api_keys")

    name, password = account.split(" with the password ")
    assert name == "admin"
    assert len(password) >= 20
    assert password not in "\n".join(before)
    assert process.returncode == 0
    assert (created.stdout, created.stderr) == (
        "Created mine.\n",
        f"Trial installation: {fresh.data_dir}\n",
    )
    assert "mine" in listed.stdout, listed.stderr
    assert fresh.manage("changepassword", "--help").returncode == 0


def test_a_configured_installation_never_becomes_a_trial(fresh: Installation) -> None:
    fresh.data_dir.mkdir()
    (fresh.data_dir / "trial").touch()

    for settings in CONFIGURATION:
        result = fresh.manage("check", **settings)
        assert result.stderr.startswith("Gatehouse does not start: "), settings
    env_file = fresh.data_dir / "settings.env"
    env_file.write_text("TIME_ZONE=UTC\n")
    result = fresh.manage("check", ENV_FILE=str(env_file))
    assert result.stderr.startswith("Gatehouse does not start: ")


def test_a_server_of_its_own_does_not_go_on_with_a_trial(fresh: Installation) -> None:
    fresh.data_dir.mkdir()
    (fresh.data_dir / "trial").touch()

    with fresh.start("-c", "import gatewayproject.asgi") as process:
        _, errors = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 1
    assert errors.startswith("Gatehouse does not start: with DEBUG off")


def test_to_prepare_a_production_installation_ends_the_trial(installation: Installation) -> None:
    installation.data_dir.mkdir()
    (installation.data_dir / "trial").touch()

    result = installation.manage("prepare")

    assert result.returncode == 0, result.stderr
    assert not (installation.data_dir / "trial").exists()


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use_is_refused_before_anything_is_done(
    fresh: Installation, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = fresh.manage(command, "--port", str(port), DEBUG="true")

    assert result.returncode == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert f"Cannot listen on 127.0.0.1 port {port}: another process uses it." in line
    assert f"make {'run' if command == 'serve' else command} PORT=" in line
    assert {entry.name for entry in fresh.data_dir.iterdir()} <= {"secret_key", "master_key"}


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize(
    ("arguments", "problem", "advice"),
    [
        (["--port", "http"], "The port must be a number up to 65535", "PORT=5001"),
        (["--port", "65536"], "The port must be a number up to 65535", "PORT=5001"),
        (["--host", "nowhere.invalid"], "this host name has no address", "HOST=127.0.0.1"),
        (["--host", "203.0.113.9"], "Cannot assign requested address", "HOST=127.0.0.1"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_one_line(
    fresh: Installation, command: str, arguments: list[str], problem: str, advice: str
) -> None:
    result = fresh.manage(command, *arguments, DEBUG="true")

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert problem in line
    assert line.endswith(f"make {'run' if command == 'serve' else command} {advice}")


def test_it_logs_neither_its_own_steps_nor_requests(fresh: Installation) -> None:
    with started(fresh.with_settings(DEBUG="true"), "serve", "--port", "0") as process:
        read_until_it_serves(process)
    with started(fresh.with_settings(DEBUG="true"), "serve", "--port", "0") as again:
        *before, last = read_until_it_serves(again)
        Server(int(last.rpartition(":")[2]), again).ask("GET", "/login/")
        again.send_signal(signal.SIGINT)
        _, errors = again.communicate(timeout=TIMEOUT)

    assert errors == ""
    assert "manage.py changepassword" in "".join(before)
    assert " with the password " not in last


def test_a_trial_that_others_can_reach_warns(fresh: Installation) -> None:
    with started(
        fresh.with_settings(DEBUG="true"), "serve", "--host", "0.0.0.0", "--port", "0"
    ) as process:
        last = read_until_it_serves(process)[-1]
        warning = process.stderr.readline()

    assert warning.startswith("Warning: this is a trial, and other machines can reach it")
    assert last.startswith("Open http://127.0.0.1:")
