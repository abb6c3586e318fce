"""Amazon Bedrock's Converse (source: Amazon Bedrock API reference, Converse, common errors)."""

import re
from collections.abc import Mapping

from gatewayproject.demo.answers import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    UNCACHED_TOKENS,
    Answer,
    json_answer,
)
from gatewayproject.demo.openai import bearer
from gatewayproject.demo.speech import Ask

ERRORS = {
    400: "ValidationException",
    403: "UnrecognizedClientException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def key(headers: Mapping[bytes, bytes]) -> str | None:
    """A Bedrock API key, or the access key ID that signed (the signature is not checked)."""
    signed = re.match(rb"AWS4-HMAC-SHA256 Credential=([^/]+)/", headers.get(b"authorization", b""))
    return signed[1].decode("latin-1") if signed else bearer(headers)


def refusal(headers: Mapping[bytes, bytes]) -> Answer:
    given = key(headers)
    if given is None:
        return failure(403, "Missing Authentication Token")
    return failure(403, f"The security token included in the request is invalid: {given}")


def failure(status: int, message: str) -> Answer:
    kind = ERRORS.get(status, "InternalServerException")
    return json_answer({"message": message}, status, (("x-amzn-errortype", kind),))


def converse(ask: Ask) -> Answer:
    text = ask.reply_to(ask.said["messages"])
    return json_answer(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": UNCACHED_TOKENS,
                "outputTokens": OUTPUT_TOKENS,
                "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
                "cacheReadInputTokens": CACHED_TOKENS,
                "cacheWriteInputTokens": 0,
            },
            "metrics": {"latencyMs": 1},
        },
        headers=(("x-amzn-requestid", "made-up"),),
    )
