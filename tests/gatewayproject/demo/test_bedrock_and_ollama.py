"""The simulated provider's Bedrock, Ollama, tools of Responses, and what it does with upgrades."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import openai
import pytest
from botocore.session import get_session

from gatewayproject.demo.generator import INPUT_TOKENS, OUTPUT_TOKENS
from gatewayproject.demo.provider import Provider

pytestmark = pytest.mark.usefixtures("nothing_slips_out")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
BEDROCK_TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider().running() as provider:
        yield provider


@pytest.fixture
def bedrock(provider: Provider) -> Any:
    return get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=provider.url,
        aws_access_key_id="AKIAMADEUP",
        aws_secret_access_key="made-up",
    )


def bedrock_call(text: str) -> dict[str, Any]:
    return {
        "modelId": "any",
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "toolConfig": BEDROCK_TOOLS,
    }


def test_a_bedrock_stream_adds_up_to_the_response(bedrock: Any) -> None:
    whole = bedrock.converse(**bedrock_call("Hello"))

    events = list(bedrock.converse_stream(**bedrock_call("Hello"))["stream"])

    deltas = [part["contentBlockDelta"]["delta"] for part in events if "contentBlockDelta" in part]
    [content] = whole["output"]["message"]["content"]
    assert "".join(delta["text"] for delta in deltas) == content["text"]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == OUTPUT_TOKENS


def test_bedrock_uses_a_tool_if_the_message_mentions_one(bedrock: Any) -> None:
    whole = bedrock.converse(**bedrock_call("Use the tool."))

    events = list(bedrock.converse_stream(**bedrock_call("Use the tool."))["stream"])

    [content] = whole["output"]["message"]["content"]
    assert content["toolUse"]["input"] == {"city": "example"}
    deltas = [part["contentBlockDelta"]["delta"] for part in events if "contentBlockDelta" in part]
    halves = [delta["toolUse"]["input"] for delta in deltas]
    assert json.loads("".join(halves)) == {"city": "example"}


def ask(provider: Provider, path: str, body: object, **headers: str) -> list[Any]:
    """Send JSON, and return each line of the response."""
    connection = HTTPConnection(provider.host, provider.port, timeout=30)
    sent = {"Authorization": "Bearer made-up", **headers}
    connection.request("POST" if body else "GET", path, body and json.dumps(body), sent)
    lines = connection.getresponse().read().splitlines()
    connection.close()
    return [json.loads(line) for line in lines]


def test_ollama_streams_by_default(provider: Provider) -> None:
    chat = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}

    [whole] = ask(provider, "/api/chat", {**chat, "stream": False})
    *_, last = lines = ask(provider, "/api/chat", chat)

    assert "".join(line["message"]["content"] for line in lines) == whole["message"]["content"]
    assert last["done"]
    assert (last["prompt_eval_count"], last["eval_count"]) == (INPUT_TOKENS, OUTPUT_TOKENS)


def test_ollama_calls_tools_embeds_and_lists(provider: Provider) -> None:
    chat = {"model": "any", "messages": [{"role": "user", "content": "Use the tool."}]}

    [called] = ask(provider, "/api/chat", {**chat, "tools": [TOOL], "stream": False})
    [embedded] = ask(provider, "/api/embed", {"model": "any", "input": ["a", "b"]})
    [listed] = ask(provider, "/api/tags", None)

    [call] = called["message"]["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": {"city": "example"}}
    assert len(embedded["embeddings"]) == 2
    assert listed["models"]


def test_ollama_refuses_a_missing_key_with_a_string(provider: Provider) -> None:
    [error] = ask(provider, "/api/chat", {"model": "any", "messages": []}, Authorization="")

    assert error == {"error": "unauthorized"}


def test_responses_call_a_function_if_the_message_mentions_a_tool(provider: Provider) -> None:
    client = openai.OpenAI(api_key="sk-made-up", base_url=f"{provider.url}/v1", max_retries=0)
    tool = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}
    call = {
        "model": "any",
        "input": [{"role": "user", "content": "Use the tool."}],
        "tools": [tool],
    }

    whole = client.responses.create(**call)
    with client.responses.stream(**call) as stream:
        streamed = stream.get_final_response()

    assert json.loads(whole.output[0].arguments) == {"city": "example"}
    assert json.loads(streamed.output[0].arguments) == {"city": "example"}


def test_an_upgrade_is_ignored(provider: Provider) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    chat = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}

    [answer] = ask(provider, "/v1/chat/completions", chat, **headers)

    assert answer["choices"][0]["message"]["content"].endswith("Hello")
    [request] = provider.requests
    assert json.loads(request.body) == chat
