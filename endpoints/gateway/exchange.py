"""One request of a caller and what it is answered."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from .calls import UNKNOWN
from .headers import Incoming
from .problems import Problem

RawHeaders = Sequence[tuple[bytes, bytes]]

_number = random.Random().getrandbits  # noqa: S311 - names a request, and guards nothing
NEVER = float("inf")
LINGER_SECONDS = 1
BODILESS = (204, 304)  # have no body, and say nothing of its length: RFC 9110, section 8.6


class Exchange:
    """The caller's side of a request: what was asked, and a way to answer.

    ``Watch`` looks after it: ``deadline`` (the loop's time) ends whatever is being waited for, and
    once the body is there, a caller who hangs up ends it as well.
    """

    __slots__ = (
        "_receive",
        "_send",
        "_timed_out",
        "body",
        "call",
        "deadline",
        "gone",
        "has_begun",
        "incoming",
        "listener",
        "method",
        "query",
        "request_id",
        "since",
        "task",
    )

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._timed_out = False
        self.method: str = scope["method"]
        self.query: bytes = scope["query_string"]
        self.request_id = f"req_{_number(96):024x}"
        self.incoming: Incoming  # as soon as its headers have been sorted
        self.call = UNKNOWN
        self.body: Any = None
        self.has_begun = self.gone = False
        self.task: asyncio.Task[Any] | None = None
        self.listener: asyncio.Task[None] | None = None
        self.since = self.deadline = NEVER

    async def begin(self, status: int, headers: RawHeaders) -> None:
        self.has_begun = True
        ours = (
            (b"x-gatehouse-request-id", self.request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        )
        start = {"type": "http.response.start", "status": status, "headers": [*headers, *ours]}
        await self._send(start)

    async def write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, chunk: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": chunk})

    async def answer(
        self, status: int, headers: RawHeaders, body: bytes, *, declared: int | None = None
    ) -> None:
        """Send a whole answer; to HEAD the length that was ``declared`` for GET, if any."""
        if status in BODILESS:
            await self.begin(status, headers)
            await self.end()
            return
        length = len(body)
        if self.method == "HEAD":
            length, body = declared or length, b""
        await self.begin(status, [*headers, (b"content-length", b"%d" % length)])
        await self.end(body)

    async def refuse(self, problem: Problem) -> None:
        """Say no in the caller's dialect."""
        dialect = problem.dialect or self.call.dialect
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        headers += [(name.encode(), text.encode()) for name, text in problem.headers.items()]
        body = problem.body(dialect, self.request_id)
        if "connection" not in problem.headers:
            await self.answer(problem.status, headers, body)
            return
        await self.begin(problem.status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.write(body)
        await self._linger()
        await self.end()

    async def _linger(self) -> None:
        """Read on for a moment. A connection that is closed over what nobody read is reset, and
        its caller may never see the answer. Source: RFC 9112, section 9.6."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await self._receive()).get("more_body"):
                    pass

    def time_out(self) -> None:
        """End what is being waited for; ``was_time_out`` tells it from other cancellations."""
        self._timed_out, self.deadline = True, NEVER
        if self.task is not None:
            self.task.cancel()

    def was_time_out(self) -> bool:
        """Whether a ``CancelledError`` just caught was the deadline; then it is over and done."""
        if not self._timed_out or self.task is None:
            return False
        self._timed_out = False
        self.task.uncancel()
        return True

    def listen(self) -> None:
        """From now on, end when the caller hangs up. The body has been taken in."""
        if self.listener is None:
            self.listener = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self.task is not None:
            self.task.cancel()
