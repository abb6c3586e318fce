"""A provider's error reaches the client whole and valid, however the provider encodes it."""

import gzip
import json
import zlib
from functools import reduce
from typing import Any

import brotli
import openai
import pytest

from endpoints.gateway.routing.error_responses import CUT_OFF, MAX_ERROR
from endpoints.models import Endpoint
from endpoints.usage.content_encoding import zstd
from gatewayproject.demo.provider import Provider, Response
from tests.fakes import OPENAI_KEY

from .client import HELLO, chat
from .test_content_coding import raw_deflate

ERROR = json.dumps({"error": {"message": "Too “long”.", "code": "too_long", "more": "x" * 3000}})
BROTLI = b"\x0b\x02\x80{}\x03\xff\xfe\x9c\x81\x00"  # or what a client without Brotli sees of it


def labeled(encoding: str, body: bytes, status: int = 400) -> Response:
    return Response(status=status, headers={"content-encoding": encoding}, body=body)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("zstd", zstd.compress),
        ("br", brotli.compress),
        # With a wrong label
        ("gzip", bytes),
        ("br", bytes),
        ("deflate", gzip.compress),
        ("br", gzip.compress),
        ("identity", gzip.compress),
        ("gzip", lambda body: gzip.compress(gzip.compress(body))),
    ],
)
def test_an_error_is_passed_on_in_the_clear(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, encoding: str, encode: Any
) -> None:
    provider.next_responses(labeled(encoding, encode(ERROR.encode())))

    answer = chat(gateway, token)

    assert (answer.status, answer.json()) == (400, json.loads(ERROR))
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", BROTLI),
        ("zstd", b"\x28\xb5\x2f\xfdx"),
        ("gzip", b"\x1f\x8bx"),
        ("gzip", gzip.compress(BROTLI, mtime=0)),
        ("made-up", BROTLI),
        ("gzip", reduce(lambda body, _: gzip.compress(body, mtime=0), range(4), b"{}")),
    ],
)
def test_an_error_that_cannot_be_decoded_is_named_and_valid(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, encoding: str, body: bytes
) -> None:
    provider.next_responses(labeled(encoding, body, 422))
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)

    with pytest.raises(openai.UnprocessableEntityError, match=f"encoded its error.*{encoding}"):
        client.chat.completions.create(model="search", messages=HELLO)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_long_error_in_json_stays_valid(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, encoding: str
) -> None:
    """vLLM repeats the whole input in its 422."""
    error = json.dumps({"detail": [{"msg": "Wrong type", "input": '"é' * MAX_ERROR}]}).encode()
    body = gzip.compress(error) if encoding == "gzip" else error
    provider.next_responses(labeled(encoding, body, 422))

    answer = chat(gateway, token)

    assert answer.status == 422
    assert answer.code == "provider_error_truncated"
    message = answer.json()["error"]["message"]
    assert message.startswith('{"detail": [{"msg": "Wrong type"')
    assert message.endswith(CUT_OFF.decode())


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress, raw_deflate, bytes])
def test_a_key_in_an_error_with_a_wrong_label_is_removed(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, encode: Any
) -> None:
    error = json.dumps({"error": {"message": f"Not {OPENAI_KEY}."}}).encode()
    provider.next_responses(labeled("deflate", encode(error)))

    answer = chat(gateway, token)

    assert answer.json() == {"error": {"message": "Not [removed]."}}
