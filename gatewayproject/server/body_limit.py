"""Limits between the server and the threads that serve pages.

A page's body is small, so it is read completely before it gets a thread: a slow sender occupies no
thread and times out, and a large body is refused without touching the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from endpoints.gateway.http.body_reader import (
    BodyTooLarge,
    ClientDisconnected,
    read_body,
    skip_rest,
)
from endpoints.gateway.http.headers import length_in

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SIGN_IN = "/login/"
BODY_SECONDS = 30  # for a client to send a whole form
SIGN_IN_SECONDS = 5  # to wait for a turn
THREAD_SECONDS = 5  # for a page to wait for a thread; they may all wait for the database
UNCOUNTED = 16 * 1024  # bytes of each body, about as much as headers: enough for most forms
SIGN_INS_FULL = b"503: too many people are signing in right now. Try again in a few seconds.\n"
REFUSALS = {
    503: b"503: the server is busy. Nothing was saved. Try again in a few seconds.\n",
    408: b"408: this request did not arrive in time. Nothing was saved.\n",
    413: b"413: this request is larger than any form of Gatehouse. Nothing was saved.\n",
}


class BodyRefused(Exception):
    """The body is not read, with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def limit_bodies(app: App, *, max_body: int, max_held: int) -> App:
    """Pass normalized requests with their whole body to ``app``; respond 413 above ``max_body``
    bytes, 408 if it does not arrive, and 503 if all requests together hold more than ``max_held``.

    Every client may send a body. The beginning of each is not counted, so that large ones that are
    held on purpose do not keep users from signing in.
    """
    held = 0

    async def with_body(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal held
        received = ours = 0  # bytes of this body, and those that count

        def hold(size: int) -> None:
            nonlocal held, ours, received
            received += size
            more = max(0, received - UNCOUNTED) - ours
            if held + more > max_held:
                raise BodyRefused(503)
            held, ours = held + more, ours + more

        try:
            body = await _body(scope, receive, max_body, hold)
            whole = iter([{"type": "http.request", "body": body, "more_body": False}])

            async def replay() -> Message:
                return next(whole, None) or await receive()

            return await app(_normalized(scope), replay, send)
        except ClientDisconnected:
            return None
        except BodyRefused as refused:
            await _refuse(send, refused.status, REFUSALS[refused.status], unread=receive)
            return None
        finally:
            held -= ours

    return with_body


def limit_sign_ins(app: App, *, at_once: int, waiting: int) -> App:
    """Pass at most ``at_once`` concurrent sign-ins to ``app``. ``waiting`` others wait, without a
    thread; beyond that, and after a while, they get 503.

    Every client may send them, and each takes time for a password hash from the gateway.
    """
    turn, present = asyncio.Semaphore(at_once), 0

    async def in_turn(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal present
        if scope["method"] != "POST" or scope["path"] != SIGN_IN:
            return await app(scope, receive, send)
        if present == at_once + waiting:
            return await _refuse(send, 503, SIGN_INS_FULL)
        present += 1
        try:
            try:
                async with asyncio.timeout(SIGN_IN_SECONDS):
                    await turn.acquire()
            except TimeoutError:
                return await _refuse(send, 503, SIGN_INS_FULL)
            try:
                return await app(scope, receive, send)
            finally:
                turn.release()
        finally:
            present -= 1

    return in_turn


def limit_waiting(app: App, *, threads: int) -> App:
    """Pass as many concurrent requests to ``app`` as it has threads. Others wait for a while, then
    get 503."""
    free = asyncio.Semaphore(threads)

    async def with_thread(scope: Message, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(THREAD_SECONDS):
                await free.acquire()
        except TimeoutError:
            return await _refuse(send, 503, REFUSALS[503])
        try:
            return await app(scope, receive, send)
        finally:
            free.release()

    return with_thread


async def _body(
    scope: Message, receive: Receive, max_body: int, hold: Callable[[int], None]
) -> bytes:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    declared = max((length_in(value) or 0 for value in lengths), default=0)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await read_body(receive, hold, declared=declared, limit=max_body)
    except BodyTooLarge:
        raise BodyRefused(413) from None
    except TimeoutError:
        raise BodyRefused(408) from None


def _normalized(scope: Message) -> Message:
    """Drop what WSGI cannot distinguish or represent.

    ``X_Forwarded_Proto`` becomes the same variable as ``X-Forwarded-Proto`` there, so a client
    could imitate a header of the proxy; and a query string has to be ASCII.
    """
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    query = quote(scope["query_string"], safe="".join(map(chr, range(0x21, 0x7F))))
    return {**scope, "headers": headers, "query_string": query.encode()}


async def _refuse(send: Send, status: int, text: bytes, *, unread: Receive | None = None) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if status == 503:
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": True})
    if unread is not None:
        await skip_rest(unread)
    await send({"type": "http.response.body"})
