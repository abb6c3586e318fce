"""What stands between the server and the threads that make pages.

A page's body is small, so it is taken in whole before a thread is given to it: a slow sender
occupies nobody, and a large one is refused without touching the disk.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

TOO_LARGE = b"413: this request is larger than any form of Gatehouse. Nothing was saved.\n"


def intake(app: App, *, max_body: int) -> App:
    """Hand ``app`` tidy requests with their whole body; answer 413 above ``max_body`` bytes."""

    async def taken_in(scope: Message, receive: Receive, send: Send) -> None:
        if _declared_length(scope) > max_body:
            return await _refuse(send)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > max_body:
                return await _refuse(send)
            if not message.get("more_body"):
                break
        whole = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])

        async def replay() -> Message:
            return next(whole, None) or await receive()

        return await app(_tidy(scope), replay, send)

    return taken_in


def _declared_length(scope: Message) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)


def _tidy(scope: Message) -> Message:
    """Drop what WSGI cannot tell apart or hold.

    ``X_Forwarded_Proto`` becomes the same variable as ``X-Forwarded-Proto`` there, so a client
    could imitate a header of the proxy; and a query string has to be ASCII.
    """
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    query = quote(scope["query_string"], safe="".join(map(chr, range(0x21, 0x7F))))
    return {**scope, "headers": headers, "query_string": query.encode()}


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_LARGE})
