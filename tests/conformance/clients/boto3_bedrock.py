"""boto3's Bedrock client, with a bearer token. It sends one only over HTTPS."""

import os
from typing import Any

import boto3
from driver import ASKS_FOR_TOOL, CITY, HELLO, Target, main

TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": CITY}}}]}


def client(target: Target) -> Any:
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = target.key
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=target.url)


def messages(text: str) -> list[dict]:
    return [{"role": "user", "content": [{"text": text}]}]


def chat(target: Target) -> str:
    response = client(target).converse(modelId=target.model, messages=messages(HELLO))
    return response["output"]["message"]["content"][0]["text"]


def stream(target: Target) -> str:
    events = client(target).converse_stream(modelId=target.model, messages=messages(HELLO))[
        "stream"
    ]
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    return "".join(delta["text"] for delta in deltas)


def tools(target: Target) -> dict[str, str]:
    response = client(target).converse(
        modelId=target.model, messages=messages(ASKS_FOR_TOOL), toolConfig=TOOLS
    )
    return response["output"]["message"]["content"][0]["toolUse"]["input"]


main(globals())
