"""The whole of Gatehouse as one ASGI application.

Pages are synchronous Django. They run in a pool of threads that keep their database connections:
Django's own ASGI handler starts a thread, and so opens a connection, for every request.
"""

import asyncio
import gc
import os
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gatewayproject.settings")

from .server.body_limit import App, limit_bodies, limit_sign_ins, limit_waiting
from .server.database_limits import limit_database_time, limit_this_thread
from .server.graceful_shutdown import close_after, drain_before_exit, is_draining
from .wsgi import application as pages

# These need Django's apps, which the line above has made ready.
from endpoints.gateway.app import Gateway  # isort: skip
from .server.heartbeat import Heartbeat  # isort: skip
from .server.health import Readiness, healthz  # isort: skip
import gatewayproject.urls  # noqa: F401  # isort: skip - every view, before the first person waits

PAGE_THREADS = 8
STATIC_THREADS = 2  # so that static files wait for no page
MAX_PAGE_BODY = 1024 * 1024  # bytes; Django refuses forms that are much smaller
MAX_PAGE_BODIES = 32 * 1024 * 1024  # bytes of all bodies that are being read or served

_gateways: dict[asyncio.AbstractEventLoop, Gateway] = {}  # one for each loop that serves


def _in_threads(number: int) -> App:
    """Return the pages as an ASGI application with ``number`` threads."""
    return cast(App, WSGIMiddleware(limit_database_time(pages), workers=number))


_pages = limit_bodies(
    limit_sign_ins(
        limit_waiting(_in_threads(PAGE_THREADS), threads=PAGE_THREADS), at_once=1, waiting=16
    ),
    max_body=MAX_PAGE_BODY,
    max_held=MAX_PAGE_BODIES,
)
_static = limit_bodies(_in_threads(STATIC_THREADS), max_body=0, max_held=0)
_readyz = Readiness()


def running_gateway() -> Gateway:
    """Return the gateway of the running event loop. The lifespan starts it; if the server has none,
    the first request does."""
    loop = asyncio.get_running_loop()
    gateway = _gateways.get(loop)
    if gateway is None:
        gateway = _gateways[loop] = Gateway(limit_this_thread)
    return gateway


async def stop_gateway() -> None:
    """Close the gateway of the running event loop. Another request would start a new one."""
    stopped = _gateways.pop(asyncio.get_running_loop(), None)
    if stopped is not None:
        await stopped.close()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send applications to the gateway and people to the pages."""
    if scope["type"] == "http":
        path = scope["path"]
        if path.startswith("/gateway/"):
            app: Any = running_gateway()
        elif path == "/healthz":
            app = healthz
        elif path == "/readyz":
            app = _readyz
        elif path.startswith(settings.STATIC_URL):
            app = _static
        else:
            app = _pages
        await app(scope, receive, close_after(send) if is_draining() else send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:  # WebSocket, from a server without our Protocol: it makes a 403 of this
        await send({"type": "websocket.close"})


async def _lifespan(receive: Any, send: Any) -> None:
    heartbeat = Heartbeat()
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            drain_before_exit()
            gc.collect()
            gc.freeze()  # the collector need not scan Django's own objects again and again
            running_gateway()
            await heartbeat.start()
        else:
            await asyncio.gather(stop_gateway(), heartbeat.stop())
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
