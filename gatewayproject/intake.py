"""What stands between the server and the threads that make pages.

A page's body is small, so it is taken in whole before a thread is given to it: a slow sender
occupies nobody and is given up after a while, and a large one is refused without touching the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from endpoints.gateway.headers import length_in

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

BODY_SECONDS = 30  # for somebody to send a whole form
REFUSALS = {
    408: b"408: this request did not arrive in time. Nothing was saved.\n",
    413: b"413: this request is larger than any form of Gatehouse. Nothing was saved.\n",
}


class Refused(Exception):
    """The body is not taken in, for the reason of this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Gone(Exception):
    """The sender hung up."""


def intake(app: App, *, max_body: int) -> App:
    """Hand ``app`` tidy requests with their whole body; answer 413 above ``max_body`` bytes, and
    408 where it does not come."""

    async def taken_in(scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await _body(scope, receive, max_body)
        except Gone:
            return None
        except Refused as refused:
            return await _refuse(send, refused.status)
        whole = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(whole, None) or await receive()

        return await app(_tidy(scope), replay, send)

    return taken_in


async def _body(scope: Message, receive: Receive, max_body: int) -> bytes:
    if _declared_length(scope) > max_body:
        raise Refused(413)
    body, message = bytearray(), {"more_body": True}
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while message.get("more_body"):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                body += message.get("body", b"")
                if len(body) > max_body:
                    raise Refused(413)
    except TimeoutError:
        raise Refused(408) from None
    return bytes(body)


def _declared_length(scope: Message) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((length_in(value) or 0 for value in lengths), default=0)


def _tidy(scope: Message) -> Message:
    """Drop what WSGI cannot tell apart or hold.

    ``X_Forwarded_Proto`` becomes the same variable as ``X-Forwarded-Proto`` there, so a client
    could imitate a header of the proxy; and a query string has to be ASCII.
    """
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    query = quote(scope["query_string"], safe="".join(map(chr, range(0x21, 0x7F))))
    return {**scope, "headers": headers, "query_string": query.encode()}


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": REFUSALS[status]})
