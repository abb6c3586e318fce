"""One server process on this machine, as ``make run`` and ``make demo`` start it."""

import errno
import ipaddress
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from django.core.management.base import CommandError, CommandParser

GRACEFUL_SECONDS = 10


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="Default: 127.0.0.1")
    parser.add_argument("--port", default="5000", help="Default: 5000; 0 for any")


def listen(host: str, port: str, *, target: str) -> socket.socket:
    """Bind the port first, so that nothing else happens if another process uses it."""
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise CommandError(f"The port must be a number up to 65535: make {target} PORT=5001")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if _is_unknown_name(error):
            reason = "this host name has no address"
        elif error.errno == errno.EADDRINUSE:
            airplay = " (on macOS, AirPlay Receiver uses 5000)" if port == "5000" else ""
            reason = f"another process uses it{airplay}"
        problem = f"Cannot listen on {host} port {port}: {reason}."
        if _is_unknown_name(error) or error.errno == errno.EADDRNOTAVAIL:
            advice = f"Use an address of this machine: make {target} HOST=127.0.0.1"
        else:
            other = int(port) + 1 if 1024 <= int(port) < 65535 else 5001
            advice = f"Try another port: make {target} PORT={other}"
        raise CommandError(f"{problem} {advice}") from None


def _is_unknown_name(error: OSError) -> bool:
    return error.errno is not None and error.errno < 0  # as getaddrinfo numbers its errors


def url_of(listener: socket.socket) -> str:
    """Return an address of ``listener`` that opens on this machine."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_public(listener: socket.socket) -> bool:
    """Whether other machines can reach ``listener``."""
    return not ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def serve(listener: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve until a signal ends it; call ``ready`` once it accepts requests."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        "gatewayproject.asgi:application",
        http="gatewayproject.server.uvicorn_limits:Protocol",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    config.load()  # sets up the logs anew, by Django's settings
    for name in ("uvicorn.error", "uvicorn.access"):  # each step of starting, each request
        logging.getLogger(name).setLevel(logging.WARNING)
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has ended
        Server(config).run([listener])
