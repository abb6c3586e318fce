"""Azure's and MLflow's clients, which name the endpoint in the path."""

import json
from base64 import b64encode
from types import SimpleNamespace

import openai
import pytest

from endpoints.gateway.http.bodies import Body
from endpoints.gateway.http.exchange import ClientRequest
from endpoints.gateway.http.headers import sort_request_headers
from endpoints.gateway.http.memory_limits import Memory
from endpoints.gateway.http.paths import parse_call
from endpoints.gateway.routing.provider_request import unsigned_request
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider, json_response
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY

from . import clouds
from .client import HELLO, ask, credentials_in, mentions

VERSION = "2025-04-01-preview"


def azure(gateway: str, token: str, **options: str) -> openai.AzureOpenAI:
    place = options or {"azure_endpoint": gateway}
    return openai.AzureOpenAI(api_key=token, api_version=VERSION, max_retries=0, **place)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("base", ["", "/v1", "/openai/v1", "/openai"])
def test_azures_client_names_the_endpoint_as_its_deployment(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, base: str
) -> None:
    client = azure(gateway, token, **({"base_url": gateway + base} if base else {}))
    provider.script("/images", json_response({}))
    provider.script("/audio", json_response({"text": "Hi"}))

    answer = client.chat.completions.create(model="search", messages=HELLO)
    client.embeddings.create(model="search", input="Hi")
    client.images.generate(model="search", prompt="A cat")
    client.audio.transcriptions.create(model="search", file=("a.wav", b"RIFF"))
    client.responses.create(model="search", input="Hi")

    assert answer.model == "gpt-5-mini"
    assert [request.target for request in provider.requests] == [
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/images/generations",
        "/v1/audio/transcriptions",
        "/v1/responses",
    ]
    for request in provider.requests:
        assert b"gpt-5-mini" in request.body
        assert b"search" not in request.body
        assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]
        assert not mentions(request, token)


def test_azures_client_lists_the_endpoints(gateway: str, token: str, endpoint: Endpoint) -> None:
    assert [model.id for model in azure(gateway, token).models.list()] == ["search"]


def test_a_deployments_body_need_not_name_a_model(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    path = f"/openai/deployments/search/chat/completions?api-version={VERSION}&trace=1"

    ask(gateway, path, {"messages": HELLO}, token=token)

    [request] = provider.requests
    assert request.target == "/v1/chat/completions?trace=1"
    assert json.loads(request.body) == {"model": "gpt-5-mini", "messages": HELLO}


def test_a_deployments_form_gets_a_model(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    path = f"/openai/deployments/search/audio/transcriptions?api-version={VERSION}"
    rest = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nRIFF\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}

    ask(gateway, path, rest, token=token, headers=headers)

    [request] = provider.requests
    model = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-5-mini\r\n'
    assert request.body == model + rest


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/openai/deployments/nope/chat/completions", "unknown_endpoint"),
        ("/openai/deployments/..%2fsearch/chat/completions", "unknown_endpoint"),
        ("/openai/deployments/search", "unknown_path"),
        ("/openai/deployments/search/", "unknown_path"),
        ("/openai/deployments/search/%2e%2e/files", "unknown_path"),
        ("/openai/deployments/", "unknown_path"),
    ],
)
def test_invalid_deployment_paths_are_refused_with_a_code(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str, code: str
) -> None:
    answer = ask(gateway, path, {"messages": HELLO}, token=token)

    assert (answer.status, answer.code) == (404, code)
    assert not provider.requests


@pytest.mark.parametrize(
    ("path", "query"),
    [("v1/chat/completions", "api-version=2024-10-21&a=1"), ("az/x", "API-Version=2020-01-01&a=1")],
)
def test_by_name_the_keys_own_api_version_is_the_only_one(path: str, query: str) -> None:
    plan = clouds.credentials_of(dict(clouds.schemes())["azure/api_key"]).plan
    call = parse_call("POST", f"/gateway/{path}".encode(), "openai")
    raw = b'{"model":"az","messages":[]}'
    client = ClientRequest(
        method="POST",
        query=b"API-Version=2020-01-01&a=1",
        headers=sort_request_headers([]),
        call=call,
        body=raw if call.is_native else Body(raw),
        memory=Memory(0, 0).of(""),
    )

    request, _ = unsigned_request(client, SimpleNamespace(model="mine"), plan)  # type: ignore[arg-type]

    assert request.url.partition("?")[2] == query


# MLflow


def basic(token: str, user: str = "gatehouse") -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{token}'.encode()).decode()}"}


@pytest.mark.parametrize("path", ["/mlflow/v1/chat/completions", "/endpoints/search/invocations"])
def test_mlflows_clients_have_the_token_as_a_password(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str
) -> None:
    body = {"model": "search", "messages": HELLO}

    answer = ask(gateway, path, body, headers=basic(token))

    [request] = provider.requests
    assert answer.status == 200
    assert request.target == "/v1/chat/completions"
    assert json.loads(request.body) == {"model": "gpt-5-mini", "messages": HELLO}
    assert credentials_in(request) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(request, token)


def test_a_proxys_password_does_not_replace_the_token(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    headers = {**basic("of-a-proxy"), "x-api-key": token}

    answer = ask(
        gateway, "/v1/chat/completions", {"model": "search", "messages": HELLO}, headers=headers
    )

    assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        ({"messages": HELLO}, "chat/completions"),
        ({"prompt": "Hi"}, "completions"),
        ({"input": "Hi"}, "embeddings"),
    ],
)
def test_mlflows_deployment_client_predicts(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    body: dict[str, object],
    operation: str,
) -> None:
    ask(gateway, "/endpoints/search/invocations", body, token=token)

    [request] = provider.requests
    assert request.target == f"/v1/{operation}"
    assert json.loads(request.body) == {"model": "gpt-5-mini", **body}


def test_mlflows_deployment_client_lists_the_endpoints(
    gateway: str, token: str, endpoint: Endpoint
) -> None:
    listed = ask(gateway, "/api/2.0/endpoints/", headers=basic(token), method="GET")
    one = ask(gateway, "/api/2.0/endpoints/search", headers=basic(token), method="GET")

    assert listed.json() == {"endpoints": [one.json()]}
    assert one.json()["endpoint_url"] == "/endpoints/search/invocations"


# Ollama, LM Studio, vLLM


@pytest.mark.parametrize(
    ("kind", "path", "target"),
    [
        ("ollama", "/local/api/chat", "/api/chat"),
        ("ollama", "/local/v1/chat/completions", "/v1/chat/completions"),
        ("lm_studio", "/local/api/v0/models", "/api/v0/models"),
        ("vllm", "/local/tokenize", "/tokenize"),
        ("vllm", "/local/v1/models", "/v1/models"),
    ],
)
@pytest.mark.parametrize("ending", ["", "/v1"])
def test_local_servers_have_other_apis_beside_openais(
    gateway: str,
    provider: Provider,
    token: str,
    make_endpoint: MakeEndpoint,
    make_key: MakeKey,
    kind: str,
    path: str,
    target: str,
    ending: str,
) -> None:
    key = make_key("local-key", kind, api_base=provider.url + ending)
    make_endpoint("local", key, model="llama")

    ask(gateway, path, {"model": "llama"}, token=token)
    ask(gateway, "/v1/chat/completions", {"model": "local", "messages": HELLO}, token=token)

    # Besides, the key's own test may ask, as this provider does not accept the key.
    native, by_name = [request for request in provider.requests if request.method == "POST"]
    assert native.target == target
    assert by_name.target == "/v1/chat/completions"
