"""Commands whose output is not read to its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import ROOT, Installation

COMMANDS = [
    ["list_api_keys"],
    ["list_api_keys", "--json"],
    ["rotation_due"],
    ["sync_providers"],
    ["prepare"],
    ["check"],
    ["help"],
    ["generate_master_key"],
    ["create_api_key", "--help"],
    ["create_gateway_token", "an-app", "--all-endpoints"],
    ["rotate_master_key", "--dry-run"],
    ["trim_usage", "--help"],
]
named = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


def run(
    installation: Installation, command: list[str], stdout: int, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=installation.environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "Interrupted.", 130),
        ("input()", "The input ended too early.", 1),
    ],
)
def test_an_interrupted_command_ends_in_one_line(
    prepared: Installation, code: str, message: str, status: int
) -> None:
    result = prepared.manage("shell", "-v0", "-c", code)

    assert (result.returncode, result.stderr) == (status, f"{message}\n")


@named
def test_a_reader_that_stops_ends_a_command_without_a_traceback(
    prepared: Installation, command: list[str]
) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        result = run(prepared, command, writes)
    finally:
        os.close(writes)

    assert result.returncode == 141
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_it_does_not_matter_when_the_reader_stops(prepared: Installation) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        result = run(prepared, ["list_api_keys"], writes, PYTHONUNBUFFERED="1")
    finally:
        os.close(writes)

    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_in_one_line(prepared: Installation) -> None:
    with open("/dev/full", "w") as full:
        result = run(prepared, ["list_api_keys"], full.fileno())

    assert result.returncode == 1
    assert result.stderr == (
        "No space left on device. Free some space and run the command again.\n"
    )


@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_not_an_error(prepared: Installation, stream: str) -> None:
    result = subprocess.run(
        ["sh", "-c", f'exec "$0" manage.py list_api_keys {stream}', sys.executable],
        cwd=ROOT,
        env=prepared.environment(),
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0
    assert result.stderr == ""
