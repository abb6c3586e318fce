"""Several workers: which signals close the port, and what happens if the parent is killed."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.endpoints.gateway.client import eventually
from tests.installation import Installation, Server

PATIENCE = 120  # seconds


def workers_of(server: Server) -> set[int]:
    """Return the processes that serve; Python's resource tracker is a child, too."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if "spawn_main" in commandline(child)}


def commandline(pid: int | str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def is_refused(server: Server) -> bool:
    try:
        server.connect(timeout=10).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_new_connections_are_refused_while_requests_finish(
    prepared: Installation, workers: str
) -> None:
    with (
        prepared.served("--workers", workers, DRAIN_SECONDS="1") as server,
        server.connect(timeout=PATIENCE) as slow,
    ):
        slow.sendall(b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n.")
        assert server.ask("GET", "/healthz").status == 200
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(server), seconds=PATIENCE)
        assert all(is_refused(server) for _ in range(20))
        slow.sendall(b".")

        assert b" 403 " in slow.recv(100)


def test_responses_close_their_connections_during_the_drain(prepared: Installation) -> None:
    with prepared.served(DRAIN_SECONDS="60") as server:
        assert server.ask("GET", "/healthz").headers["Connection"] is None
        server.process.send_signal(signal.SIGTERM)
        for path in ("/healthz", "/login/", "/gateway/v1/models"):
            eventually(lambda path=path: server.ask("GET", path).headers["Connection"] == "close")
        server.process.kill()


@pytest.mark.parametrize(
    "stop",
    [
        lambda server: server.process.send_signal(signal.SIGHUP),
        lambda server: os.kill(min(workers_of(server)), signal.SIGTERM),
    ],
    ids=["hangup of the parent", "one worker ends"],
)
def test_the_port_stays_open_when_workers_are_replaced(
    prepared: Installation, stop: Callable[[Server], None]
) -> None:
    with prepared.served("--workers", "2", DRAIN_SECONDS="1") as server:
        eventually(lambda: len(workers_of(server)) == 2)
        before = workers_of(server)
        assert server.ask("GET", "/healthz").status == 200
        stop(server)

        def is_replaced() -> bool:
            assert server.ask("GET", "/healthz").status == 200
            now = workers_of(server)
            return len(now) == 2 and now != before

        eventually(is_replaced, seconds=PATIENCE)
        assert server.ask("GET", "/healthz").status == 200


def test_workers_end_when_their_parent_is_killed(prepared: Installation) -> None:
    with prepared.served("--workers", "2", DRAIN_SECONDS="1") as server:
        eventually(lambda: len(workers_of(server)) == 2)
        workers = workers_of(server)
        assert server.ask("GET", "/readyz").status == 200
        os.kill(server.process.pid, signal.SIGKILL)
        eventually(
            lambda: not any("spawn_main" in commandline(pid) for pid in workers), seconds=PATIENCE
        )
        socket.create_server(("127.0.0.1", server.port)).close()
