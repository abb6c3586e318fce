"""The whole of Gatehouse as one ASGI application.

Pages are synchronous Django. They run in a pool of threads that keep their database connections:
Django's own ASGI handler starts a thread, and so opens a connection, for every request.
"""

import os
from typing import Any

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gatewayproject.settings")

from gatewayproject.draining import drain_before_exit
from gatewayproject.intake import intake
from gatewayproject.wsgi import application as pages

# These need Django's apps, which the line above has made ready.
from endpoints.gateway.app import Gateway  # isort: skip
from gatewayproject.fleet import Presence  # isort: skip
import gatewayproject.urls  # noqa: F401  # isort: skip - every view, before the first person waits

PAGE_THREADS = 8
MAX_PAGE_BODY = 1024 * 1024  # bytes; Django refuses forms that are much smaller

gateway = Gateway()
_pages = intake(WSGIMiddleware(pages, workers=PAGE_THREADS), max_body=MAX_PAGE_BODY)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Hand applications to the gateway and people to the pages. Nothing here speaks WebSocket."""
    if scope["type"] == "http":
        app = gateway if scope["path"].startswith("/gateway/") else _pages
        await app(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:  # the server makes a 403 of it
        await send({"type": "websocket.close"})


async def _lifespan(receive: Any, send: Any) -> None:
    presence = Presence()
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            drain_before_exit()
            gateway.start()
            await presence.begin()
        else:
            await gateway.stop()
            await presence.end()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
