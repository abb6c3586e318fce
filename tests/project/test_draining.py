"""A server that is told to end: it fails ``/readyz`` first, and still serves."""

import signal
import time
from pathlib import Path

from .installation import Installation


def test_readyz_fails_before_the_server_stops_to_listen(tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"DEBUG": "true", "HTTPS": "false"})
    installation.manage("prepare")

    with installation.served(DRAIN_SECONDS="3") as server:
        before = server.ask("GET", "/readyz").status
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        draining = server.ask("GET", "/readyz").status
        page = server.ask("GET", "/login/").status

    assert (before, draining, page) == (200, 503, 200)
