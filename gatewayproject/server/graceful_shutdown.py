"""Graceful shutdown: first ``/readyz`` fails, then the server stops listening.

A load balancer needs a moment to notice. Until then, this process still serves requests.
"""

import asyncio
import signal
import threading
from typing import Any

from django.conf import settings

_draining = threading.Event()


def is_draining() -> bool:
    """Whether this process has received SIGTERM."""
    return _draining.is_set()


def drain_before_exit() -> None:
    """Delay the effect of SIGTERM by ``DRAIN_SECONDS``. Called in the server's event loop."""
    _draining.clear()
    exits = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(exits):
        return
    loop = asyncio.get_running_loop()

    def begin(number: int, frame: Any) -> None:
        seconds = 0 if is_draining() else settings.DRAIN_SECONDS  # at once on a second signal
        _draining.set()
        loop.call_soon_threadsafe(loop.call_later, seconds, exits, number, None)

    signal.signal(signal.SIGTERM, begin)
