"""Bodies that a client has compressed are decoded, within the limits of bodies."""

import gzip
import json
import tracemalloc
import zlib
from functools import cache
from typing import Any

import pytest

from endpoints.gateway.http.body_reader import BodyTooLarge
from endpoints.gateway.http.content_coding import ACCEPTED, decoded
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.models import Endpoint
from endpoints.usage.content_encoding import zstd
from gatewayproject.demo.provider import Provider

from .client import HELLO, ask
from .event_loops import run

MB = 1024 * 1024
BODY = json.dumps({"model": "search", "messages": HELLO}).encode()
SENT = BODY.replace(b"search", b"gpt-5-mini")


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(data) + encoder.flush()


CODINGS = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("GZip ", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstd.compress),
    ("identity", bytes),
    ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images/generations"])
@pytest.mark.parametrize(("coding", "encode"), CODINGS)
def test_a_compressed_body_arrives_decoded(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    coding: str,
    encode: Any,
) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}

    ask(gateway, path, encode(BODY), token=token, headers=headers)

    [request] = provider.requests
    assert request.body == SENT
    assert "content-encoding" not in {name.lower() for name, _ in request.headers}


@pytest.mark.parametrize("path", ["/search/v1/chat/completions", "/search/v1/anything"])
@pytest.mark.parametrize("coding", ["gzip", "br", "made-up"])
def test_a_native_body_passes_as_it_is(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str, coding: str
) -> None:
    body = gzip.compress(BODY)

    ask(gateway, path, body, token=token, headers={"Content-Encoding": coding})

    [request] = provider.requests
    assert request.body == body
    assert ("content-encoding", coding) in [(n.lower(), v) for n, v in request.headers]


@pytest.mark.parametrize("coding", ["br", "compress", "gzip, zstd", "made-up" * 99])
def test_another_coding_is_refused_with_what_is_accepted(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, coding: str
) -> None:
    headers = {"Content-Encoding": coding}

    answer = ask(gateway, "/v1/chat/completions", b"\x00", token=token, headers=headers)

    assert (answer.status, answer.code) == (415, "unsupported_body_encoding")
    assert answer.headers["accept-encoding"] == ", ".join(ACCEPTED)
    assert "gzip, deflate" in answer.json()["error"]["message"]
    assert not provider.requests


@pytest.mark.parametrize("coding", ACCEPTED)
@pytest.mark.parametrize(
    "body", [BODY, gzip.compress(BODY, mtime=0)[:-9], b"\x1f\x8b", b"\x00" * 9]
)
def test_what_cannot_be_decoded_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, coding: str, body: bytes
) -> None:
    headers = {"Content-Encoding": coding}

    answer = ask(gateway, "/v1/chat/completions", body, token=token, headers=headers)

    assert (answer.status, answer.code) == (400, "bad_body_encoding")
    assert coding in answer.json()["error"]["message"]
    assert not provider.requests


@cache
def bomb() -> bytes:
    return gzip.compress(b"[" * 64 * MB, 1, mtime=0)


def test_a_bomb_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    headers = {"Content-Encoding": "gzip"}

    answer = ask(gateway, "/v1/chat/completions", bomb(), token=token, headers=headers)

    assert (answer.status, answer.code) == (413, "body_too_large")
    assert not provider.requests


@pytest.mark.parametrize("has_members", [False, True])
def test_a_bomb_takes_no_more_memory_than_the_limit(has_members: bool) -> None:
    held, raw = 0, gzip.compress(b"") * 2_000 if has_members else bomb()

    def hold(size: int) -> None:
        nonlocal held
        held += size

    tracemalloc.start()
    try:
        with pytest.raises((BodyTooLarge, Refusal)):
            run(decoded(raw, "gzip", hold, 8 * MB))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert held <= 8 * MB
    assert most < 10 * MB


def test_what_is_decoded_counts_as_held() -> None:
    def hold(size: int) -> None:
        raise Refusal(Problem.TOKEN_BUFFER_FULL)

    with pytest.raises(Refusal, match="token_buffer_full"):
        run(decoded(gzip.compress(BODY), "gzip", hold, MB))


def test_a_body_without_a_valid_token_is_not_decoded(gateway: str, endpoint: Endpoint) -> None:
    headers = {"Content-Encoding": "br"}

    answer = ask(gateway, "/v1/chat/completions", b"\x00", token="gh_wrong", headers=headers)

    assert (answer.status, answer.code) == (401, "unknown_token")
