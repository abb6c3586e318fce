"""Every client of ``clients.toml``, unmodified: what it returns, and what the provider received."""

import json
import re
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from apikeys.models import AuthScheme
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider, Received, Response
from tests.conftest import MakeEndpoint, MakeKey
from tests.endpoints.gateway.client import compared, credentials_in, mentions
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from . import environments
from .catalog import Client, clients
from .tls import certificate, https

WRONG_TOKEN = "gh_" + "0" * 40
CLIENT_SECONDS = 120
MOST_TRIES = 5  # of a client whose request failed
_OF_CONNECTION = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
START_SECONDS = 10  # how long a program may take to start, on a busy machine
UNIQUE = re.compile(rb"[0-9a-f]{32}")  # an ID that Pydantic AI makes up
# The length changes with the model's name. The gateway does not forward what Node.js takes over
# from browsers, and what belongs to one connection.
NOT_COMPARED = {"content-length", "sec-fetch-mode", "http2-settings"}
ENDPOINTS = {  # API: the endpoint's name, the kind of its key, and the model of its route
    "openai": ("gpt-4o", "openai", "gpt-5-mini"),
    "anthropic": ("claude-sonnet-4-5", "anthropic", "claude-opus-4-5"),
    "google": ("gemini-2.5-flash", "gemini", "gemini-2.5-pro"),
    "mlflow": ("gpt-4o", "openai", "gpt-5-mini"),
    "bedrock": ("claude", "bedrock", "us.anthropic.claude-opus-4-5"),
    "ollama": ("llama", "ollama", "llama3.2"),
}
CHECKS = [
    pytest.param(client, feature, id=f"{client.script}-{feature}")
    for client in clients()
    for feature in client.checks
]


class Origins(NamedTuple):
    """The URLs of the gateway and the provider, and what makes a client trust them."""

    gateway: str
    provider: str
    variables: dict[str, str]


Drive = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def endpoint(
    client_tool: Client,
    key_at: KeyAt,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    provider: Provider,
    clouds_on_loopback: None,
) -> Endpoint:
    name, kind, model = ENDPOINTS[client_tool.api]
    if kind == "bedrock":  # its address is not a setting of the key
        scheme = AuthScheme.objects.get(provider__slug="bedrock", slug="api_key")
        scheme.transport["base_url"] = provider.url
        AuthScheme.objects.filter(pk=scheme.pk).update(transport=scheme.transport)
        return make_endpoint(name, make_key("my-key", kind, "api_key"), model=model)
    scheme = {"scheme": "api_key"} if kind == "ollama" else {}
    return make_endpoint(name, key_at("my-key", kind, **scheme), model=model)


@pytest.fixture
def origins(
    client_tool: Client, gateway: str, provider: Provider, tmp_path: Path
) -> Iterator[Origins]:
    """Where the gateway and the provider are: over TLS for boto3, which insists on it."""
    if client_tool.api != "bedrock":
        yield Origins(gateway, provider.url, {})
        return
    pem = certificate(tmp_path)
    with https(gateway, pem) as here, https(provider.url, pem) as there:
        yield Origins(here, there, {"AWS_CA_BUNDLE": str(pem)})


@pytest.fixture
def drive(client_tool: Client, origins: Origins, tmp_path: Path) -> Drive:
    """Run a feature of the client at each target, and return what it printed."""

    def run(feature: str, *targets: dict[str, str]) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*environments.command(client_tool), feature],
            input=json.dumps(targets),
            env={
                **environments.variables(tmp_path, client_tool.environment),
                **origins.variables,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert len(lines) == len(targets), (done.stdout + done.stderr)[-2000:]
        return [json.loads(line) for line in lines]

    return run


@pytest.mark.parametrize(("client_tool", "feature"), CHECKS)
def test_a_client_works_as_it_does_at_the_provider(
    client_tool: Client,
    feature: str,
    origins: Origins,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    drive: Drive,
) -> None:
    provider.accept_keys = {OPENAI_KEY}
    model = endpoint.routes.get().model
    name = model if "NAME" in client_tool.gateway else endpoint.name
    path = client_tool.gateway.replace("NAME", endpoint.name)
    here = {"url": origins.gateway + path, "key": token, "model": name}
    at_provider = {"key": OPENAI_KEY, "model": name}

    if feature == "wrong_token":
        [outcome] = drive("chat", {**here, "key": WRONG_TOKEN})
        assert "token" in outcome["error"]
        assert outcome["seconds"] < (START_SECONDS if client_tool.is_program else 0) + 3
        assert provider.requests == []
    elif feature == "refused_key":
        provider.accept_keys = set()
        [outcome] = drive("chat", here)
        assert outcome["error"]
        tried, provider.requests = _calls(provider.requests), []
        if client_tool.provider is not None:
            drive("chat", {"url": origins.provider + client_tool.provider, **at_provider})
        assert 0 < tried <= max(1, _calls(provider.requests))
    elif feature == "broken_stream":
        drive("stream", {"url": origins.provider + (client_tool.provider or ""), **at_provider})
        provider.next_responses(*[_broken(provider.requests[-1], provider.url)] * MOST_TRIES)
        [outcome] = drive("stream", here)
        assert "closed the connection before" in outcome["error"], outcome
    elif feature in ("models", "retrieve"):
        [outcome] = drive(feature, here)
        assert name in str(outcome.get("result")), outcome
        assert provider.requests == []
    else:
        [outcome] = drive(feature, here)
        assert outcome.get("result"), outcome
        forwarded, provider.requests = provider.requests, []
        _check_authorized(forwarded, model, token)
        if client_tool.provider is None:
            return
        url = origins.provider + client_tool.provider
        [directly] = drive(feature, {"url": url, **at_provider})
        assert outcome["result"] == directly.get("result"), directly
        if not client_tool.is_program:
            _check_same(
                provider.requests, forwarded, name=name, model=model, varies=client_tool.varies
            )


def _calls(requests: list[Received]) -> int:
    """Count the calls of a model, without the gateway's own test of the key."""
    return sum(request.method == "POST" for request in requests)


def _broken(request: Received, url: str) -> Response:
    """Return the response to ``request`` up to the middle of its last event but one."""
    headers = {name: value for name, value in request.headers if name.lower() not in _OF_CONNECTION}
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request(request.method, request.target, request.body, headers)
    with closing(connection), connection.getresponse() as response:
        events = re.split(rb"\r?\n\r?\n", response.read().rstrip())
        media_type = response.headers["content-type"]
    whole = b"\n\n".join(events[:-2])
    return Response(
        headers={"content-type": media_type},
        chunks=[whole + b"\n\n", events[-2][:-9]],
        pause=0.1,
        close=True,
    )


def _check_authorized(requests: list[Received], model: str, token: str) -> None:
    """They have the provider's key and the route's model, and nothing of the token."""
    assert requests
    for request in requests:
        [(_, credential)] = credentials_in(request)
        assert credential.removeprefix("Bearer ") == OPENAI_KEY
        assert model in request.target + request.body.decode()
        assert not mentions(request, token)


def _check_same(
    direct: list[Received],
    forwarded: list[Received],
    *,
    name: str,
    model: str,
    varies: Collection[str],
) -> None:
    """What was forwarded is what the client sent directly, but for the model's name.

    What it asked about models is not forwarded: the gateway has its own list.
    """
    asked = [request for request in direct if request.method != "GET"]
    for sent, received in zip(asked, forwarded, strict=True):
        method, target, headers, body = compared(sent)
        method_received, target_received, headers_received, body_received = compared(received)
        assert method_received == method
        assert target_received == target.replace(f"/{name}", f"/{model}")
        different = set(headers_received) ^ set(headers)
        assert {header for header, _ in different} <= {*NOT_COMPARED, *varies}
        expected = body.replace(name.encode(), model.encode())
        assert UNIQUE.sub(b"ID", body_received) == UNIQUE.sub(b"ID", expected)
