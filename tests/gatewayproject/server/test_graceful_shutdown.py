"""A server that is asked to end: it fails ``/readyz`` first, and still serves."""

import signal
from pathlib import Path

from tests.endpoints.gateway.client import eventually
from tests.installation import Installation


def test_readyz_fails_before_the_server_stops_listening(tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"DEBUG": "true", "HTTPS": "false"})
    installation.manage("prepare")

    with installation.served(DRAIN_SECONDS="60") as server:
        assert server.ask("GET", "/readyz").status == 200
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: server.ask("GET", "/readyz").status == 503)
        page = server.ask("GET", "/login/").status
        server.process.kill()

    assert page == 200
