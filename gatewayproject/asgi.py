"""The whole of Gatehouse as one ASGI application.

Pages are synchronous Django. They run in a pool of threads that keep their database connections:
Django's own ASGI handler starts a thread, and so opens a connection, for every request.
"""

import os
from typing import Any

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gatewayproject.settings")

from gatewayproject.intake import intake
from gatewayproject.wsgi import application as pages

PAGE_THREADS = 8
MAX_PAGE_BODY = 1024 * 1024  # bytes; Django refuses forms that are much smaller

_pages = intake(WSGIMiddleware(pages, workers=PAGE_THREADS), max_body=MAX_PAGE_BODY)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer HTTP with pages. Nothing here speaks WebSocket."""
    if scope["type"] == "http":
        await _pages(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
