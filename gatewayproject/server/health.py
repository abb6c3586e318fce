"""``/healthz`` and ``/readyz``. They run on the event loop, so they do not wait for pages."""

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections

from endpoints.gateway.lookup.last_known import can_serve_stale
from gatewayproject.views import DATABASE_AWAY, DATABASE_READ_ONLY, reason_not_ready

from .database_limits import limit_this_thread
from .graceful_shutdown import is_draining

READY_SECONDS = 2  # to wait for the database
DATABASE_SLOW = "the database does not respond in time"


async def healthz(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Report that this process responds."""
    await _respond(scope, send, 200, "ok")


class Readiness:
    """Report whether this process can serve.

    With ``GATEWAY_MAX_STALENESS``, it can serve clients of the gateway for a while without the
    database, and a load balancer should keep it. One thread checks the database, once for all
    requests that arrive during the check, so a flood of them costs no more than one.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor or ThreadPoolExecutor(1, "readyz", limit_this_thread)
        self._check: asyncio.Future[str] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        problem = "shutting down" if is_draining() else await self._reason()
        status, text = (503, problem) if problem else (200, "ready")
        if problem in (DATABASE_AWAY, DATABASE_READ_ONLY, DATABASE_SLOW) and can_serve_stale():
            status, text = 200, f"only the gateway is ready: {problem}"
        await _respond(scope, send, status, text)

    async def _reason(self) -> str:
        loop = asyncio.get_running_loop()
        if self._check is None or self._check.done():
            self._check = loop.run_in_executor(self._executor, _check)
        try:
            return await asyncio.wait_for(asyncio.shield(self._check), READY_SECONDS)
        except TimeoutError:
            return DATABASE_SLOW


def _check() -> str:
    close_old_connections()
    try:
        return reason_not_ready()
    finally:
        close_old_connections()


async def _respond(scope: dict[str, Any], send: Any, status: int, text: str) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store, private"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if scope["method"] not in ("GET", "HEAD"):
        status, text = 405, "405: use GET."
        headers.append((b"allow", b"GET, HEAD"))  # not closed: the client may still be sending
    body = text.encode() + b"\n"
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
