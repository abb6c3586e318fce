"""Reads the body of a request as its call needs it: JSON, a form, a file."""

import asyncio
from functools import partial

from .batch_body import read_batch
from .bodies import Body, GoogleBody, GoogleNamedBody, outline_if_needed
from .body_reader import BodyTooLarge, Receive, read_body
from .content_coding import decoded, unsupported
from .deadlines import Deadline
from .exchange import Exchange, RequestBody
from .form_body import boundary_of, read_form
from .headers import RequestHeaders
from .memory_limits import Share
from .paths import Call
from .problems import Problem, Refusal
from .uploads import ArrivingBody, Upload, too_large

BODY_SECONDS = 120  # for a client to send a body that is read as a whole
FORM = "application/x-www-form-urlencoded"  # what curl declares for JSON given with -d
# Below these, a form has a part "model"; other forms are files alone.
FORMS_WITH_MODEL = ("audio/", "images/", "videos")
BATCHES = "messages/batches"


class RequestReader:
    """Reads the bodies of one event loop. Sizes are in bytes."""

    def __init__(self, *, max_body: int, max_upload: int, first_byte_seconds: float) -> None:
        self._max_body, self._max_upload = max_body, max_upload
        self._first_byte_seconds = first_byte_seconds
        self._turn = asyncio.Lock()  # to scan a large body

    async def read(
        self,
        exchange: Exchange,
        deadline: Deadline,
        call: Call,
        headers: RequestHeaders,
        receive: Receive,
        memory: Share,
    ) -> RequestBody:
        """Return the body. Bytes and uploads name no endpoint. Raises ``Refusal`` and
        ``ClientDisconnected``."""
        deadline.expire_in(BODY_SECONDS)
        try:
            if call.is_open:
                return await self._read_open(exchange, deadline, call, headers, receive, memory)
            raw = await read_body(
                receive, memory.take, declared=headers.declared, limit=self._max_body
            )
            exchange.has_unread_body = False
            deadline.listen_soon()
            if headers.coding:
                if call.is_native:
                    headers.sent_on.append(("content-encoding", headers.coding))
                else:
                    raw = await decoded(raw, headers.coding, memory.take, self._max_body)
            if call.google_method:
                return GoogleBody(raw, call.endpoint, await outline_if_needed(self._turn, raw))
            if call.operation:
                outline = await outline_if_needed(self._turn, raw)
                return Body(raw, not call.inserts_model, outline)
            return raw
        except BodyTooLarge:
            raise too_large(self._max_body) from None
        except asyncio.CancelledError:
            if deadline.was_reached():
                raise Refusal(Problem.BODY_TOO_SLOW) from None
            raise
        finally:
            deadline.cancel()

    async def _read_open(
        self,
        exchange: Exchange,
        deadline: Deadline,
        call: Call,
        headers: RequestHeaders,
        receive: Receive,
        memory: Share,
    ) -> RequestBody:
        """Forms and files are passed on as they arrive; JSON is read and decoded."""

        def note_end() -> None:
            exchange.has_unread_body = False
            deadline.listen_soon()

        def hold(piece: bytes) -> None:
            memory.take(len(piece))

        arriving = ArrivingBody(
            receive, declared=headers.declared, limit=self._max_upload, on_end=note_end
        )
        content_type = next((text for name, text in headers.sent_on if name == "content-type"), "")
        kind = content_type.lower()
        has_form = kind.startswith("multipart/form-data")
        if has_form and call.dialect == "openai" and call.operation.startswith(FORMS_WITH_MODEL):
            if headers.coding not in ("", "identity"):
                raise unsupported(())
            form = await read_form(
                arriving,
                boundary_of(content_type),
                hold,
                self._max_body,
                model_required=not call.inserts_model,
            )
            arriving.on_piece = partial(deadline.expire_in, self._first_byte_seconds)
            return form
        is_json = kind.partition(";")[0].strip().endswith(("/json", "+json"))
        if kind and not is_json and not kind.startswith(("text/plain", FORM)):
            if headers.coding:
                headers.sent_on.append(("content-encoding", headers.coding))
            head = await arriving.head(hold, self._max_body, lambda: True)
            if arriving.is_complete:
                return head
            arriving.on_piece = partial(deadline.expire_in, self._first_byte_seconds)
            return Upload(head, arriving, headers.declared)
        raw = await read_body(receive, memory.take, declared=headers.declared, limit=self._max_body)
        note_end()
        if headers.coding:
            raw = await decoded(raw, headers.coding, memory.take, self._max_body)
        if not raw or (not is_json and raw.lstrip()[:1] != b"{"):
            return raw
        if call.operation == BATCHES and call.dialect == "anthropic":
            return await read_batch(self._turn, raw)
        outline = await outline_if_needed(self._turn, raw)
        make = GoogleNamedBody if call.dialect == "google" else Body
        body = make(raw, False, outline)
        if body.model or call.inserts_model:
            return body
        if kind.startswith(FORM):
            headers.sent_on.append(("content-type", "application/json"))
            headers.sent_on.remove(("content-type", content_type))
        return raw
