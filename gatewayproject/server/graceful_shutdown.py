"""Graceful shutdown: first ``/readyz`` fails, then the server stops listening, then it ends.

A load balancer needs a moment to notice. Until then, this process still serves requests, and closes
each connection after its response. Requests in progress have some time to finish.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import uvicorn
from django.conf import settings

GRACE_SECONDS = 30  # for requests in progress, without uvicorn's --timeout-graceful-shutdown
REPEAT_SECONDS = 2  # in which another SIGTERM is the same: systemd and the parent send one each
CONNECT_SECONDS = 0.3  # for connections that are being made when the server stops listening
SO_ATTACH_FILTER = 26  # Linux
DROP_NEW_CONNECTIONS = (  # in classic BPF: operation, lines to skip if true, if false, operand
    (0x30, 0, 0, 13),  # load the byte of the TCP flags
    (0x45, 1, 0, 0x02),  # if SYN is set, skip a line
    (0x06, 0, 0, 0xFFFFFFFF),  # accept the packet
    (0x06, 0, 0, 0),  # drop it
)

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]

_draining = threading.Event()


def is_draining() -> bool:
    """Whether this process has received SIGTERM."""
    return _draining.is_set()


def close_after(send: Send) -> Send:
    """Return ``send`` for a response after which the client has to close the connection."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


def drain_before_exit() -> None:
    """Delay the effect of SIGTERM by ``DRAIN_SECONDS``. Called in the server's event loop."""
    _draining.clear()
    exits: Any = signal.getsignal(signal.SIGTERM)
    server = getattr(exits, "__self__", None)
    if threading.current_thread() is not threading.main_thread() or not isinstance(
        server, uvicorn.Server
    ):
        return
    if server.config.timeout_graceful_shutdown is None:  # stalled clients could hold it forever
        server.config.timeout_graceful_shutdown = GRACE_SECONDS
    loop = asyncio.get_running_loop()
    parent: Connection | None = getattr(server.config, "parent", None)  # of __main__.Workers
    first_at = 0.0

    def begin(number: int, frame: object) -> None:
        nonlocal first_at
        if not is_draining():
            _draining.set()
            first_at = loop.time()
            loop.call_soon_threadsafe(loop.call_later, settings.DRAIN_SECONDS, stop_listening)
        elif loop.time() - first_at > REPEAT_SECONDS:  # at once
            loop.call_soon_threadsafe(exits, number, None)

    def stop_listening() -> None:
        delay = 0.0
        # Other workers go on serving the port if only this one ends.
        is_alone = multiprocessing.parent_process() is None or (parent and parent.poll())
        if is_alone and settings.DRAIN_SECONDS:
            for listener in server.servers:
                for each in listener.sockets:
                    _refuse_new_connections(each)
            delay = CONNECT_SECONDS
        loop.call_later(delay, exits, signal.SIGTERM, None)

    def end_without_parent() -> None:
        """The parent was killed, or it ends and has just sent a signal."""
        loop.remove_reader(watched)
        loop.call_later(REPEAT_SECONDS / 2, end_unless_draining)

    def end_unless_draining() -> None:
        if not is_draining():
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, begin)
    if parent_process := multiprocessing.parent_process():
        watched = parent.fileno() if parent else parent_process.sentinel
        loop.add_reader(watched, end_without_parent)


def _refuse_new_connections(listener: socket.socket) -> None:
    """Ignore clients that begin to connect. They try again a second later, when no process listens.

    A connection that is made but not accepted when the listener closes is reset, and a load
    balancer cannot send its request elsewhere: it may have been served. Source: socket(7) of Linux.
    """
    if sys.platform != "linux" or listener.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(
        b"".join(struct.pack("=HBBI", *line) for line in DROP_NEW_CONNECTIONS)
    )
    described = struct.pack("@HP", len(DROP_NEW_CONNECTIONS), ctypes.addressof(program))
    with suppress(OSError), socket.socket(fileno=os.dup(listener.fileno())) as real:
        real.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
