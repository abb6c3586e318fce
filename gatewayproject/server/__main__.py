"""``python -m gatewayproject.server`` serves Gatehouse. It takes uvicorn's options.

uvicorn's command would need several options that must not be forgotten. And its parent process,
with ``--workers``, keeps listening until the last worker has ended: meanwhile clients can connect,
and no process serves them. Upstream: Kludex/uvicorn#2010.
"""

import importlib
import multiprocessing
import sys
from socket import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

OPTIONS = {
    "http": "gatewayproject.server.uvicorn_limits:Protocol",
    "access_log": False,
    "server_header": False,
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": 30,
}


class Workers(Multiprocess):
    """The parent process. Its workers notice when it ends: ``config.parent`` is a pipe to it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        config.parent, self._alive = multiprocessing.get_context("spawn").Pipe(duplex=False)  # type: ignore[attr-defined]
        super().__init__(config, sockets)

    def terminate_all(self) -> None:
        """Called when the whole server ends. The workers go on listening for a moment."""
        super().terminate_all()
        self._alive.close()
        for listener in self.sockets:
            listener.close()


def main(arguments: list[str]) -> None:
    command = importlib.import_module("uvicorn.main")  # uvicorn.main is a function of that name
    command.Multiprocess = Workers  # type: ignore[attr-defined]
    command.main(
        ["gatewayproject.asgi:application", *arguments],
        prog_name="python -m gatewayproject.server",
        default_map=OPTIONS,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
