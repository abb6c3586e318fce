"""Requests of one conversation stay with one primary route, where the endpoint asks for it.

Providers cache the beginning of a prompt for the account or deployment that served it. Where each
request draws a route by weight, the whole prompt is paid for again on each of them.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from endpoints.gateway.http.exchange import ClientRequest
from endpoints.gateway.lookup.directory import FoundRoute

LARGEST = 256 * 1024  # bytes of a body that are parsed, in a few milliseconds
HASHED = 64 * 1024  # bytes of a larger one
MOST_MESSAGES = 10  # until the first one of a user
_ABSENT = msgspec.Raw(b"null")
# Clients move these marks to the newest messages. Source: Anthropic's guide to prompt caching.
# It begins with a literal, so the time to search grows with the length and with nothing else.
_CACHE_CONTROL = re.compile(rb'"cache_control"\s{0,9}:\s{0,9}\{[^{}]{0,200}\}')
_LEFT_OUT = b", \t\r\n"  # the marks leave some behind
_EMPTY = (b"null", b'""')


class _Beginning(msgspec.Struct):
    """What stays the same while messages are added. Sources: the API references of OpenAI (chat
    completions, responses), Anthropic (messages) and Google (generateContent)."""

    prompt_cache_key: msgspec.Raw = _ABSENT
    instructions: msgspec.Raw = _ABSENT
    system: msgspec.Raw = _ABSENT
    systemInstruction: msgspec.Raw = _ABSENT
    messages: msgspec.Raw = _ABSENT
    input: msgspec.Raw = _ABSENT
    contents: msgspec.Raw = _ABSENT


class _Message(msgspec.Struct):
    role: str = ""


_decode = msgspec.json.Decoder(_Beginning).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_message = msgspec.json.Decoder(_Message).decode


def conversation_of(request: ClientRequest) -> bytes:
    """Return the same bytes for every request of a conversation, or none if there is no JSON body.

    The client's ``prompt_cache_key`` if it sends one, or else a hash of the system prompt and of
    what precedes the first answer.
    """
    body = request.body
    raw = body if isinstance(body, bytes) else getattr(body, "raw", b"")
    if not raw:
        return b""
    parts = [raw[:HASHED]]
    if len(raw) <= LARGEST:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            parts = list(_parts_of(_decode(raw)))
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


def _parts_of(found: _Beginning) -> Iterator[bytes]:
    if (key := bytes(found.prompt_cache_key)) not in _EMPTY:
        yield key
        return
    for raw in (found.instructions, found.system, found.systemInstruction):
        yield _unmarked(raw)
    for raw in (found.messages, found.input, found.contents):
        if not bytes(raw).startswith(b"["):
            yield bytes(raw)[:HASHED]
            continue
        for message in _decode_list(raw)[:MOST_MESSAGES]:
            yield _unmarked(message)
            with suppress(msgspec.ValidationError):
                if _decode_message(message).role == "user":
                    break


def _unmarked(raw: msgspec.Raw) -> bytes:
    return _CACHE_CONTROL.sub(b"", bytes(raw)[:HASHED]).translate(None, _LEFT_OUT)


def primary_for(conversation: bytes, primaries: Sequence[FoundRoute]) -> FoundRoute | None:
    """Return the primary of a conversation. Of many conversations, each gets its weight's share;
    one that is added or removed takes along only its own. Source: Thaler and Ravishankar, "A
    name-based mapping scheme for rendezvous" (1996), with weights."""

    def score(route: FoundRoute) -> float:
        digest = hashlib.blake2b(b"%d" % route.id, key=conversation, digest_size=8).digest()
        share = (int.from_bytes(digest) + 1) / (2**64 + 2)
        return route.weight / -math.log(share)

    return max(primaries, key=score, default=None)
