"""A gateway that is served for real, providers of our own on loopback, and a token."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apikeys.catalogue.clouds import Cloud
from apikeys.models import ApiKey
from endpoints.gateway.signing import Credentials
from endpoints.gateway.upstream import addresses
from endpoints.models import Endpoint, GatewayToken
from endpoints.services import create_token
from gatewayproject.accounts.actors import Actor
from gatewayproject.demo.provider import Provider
from tests import drafts, fakes
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.clouds import Sender
from tests.endpoints.gateway.server import Served, gateway_running
from tests.fakes import OPENAI_KEY

# The base URL that each provider's key has, below the fake provider's own.
PATHS = {"openai": "/v1", "anthropic": "", "gemini": "", "groq": "/openai/v1"}
LOGGERS = ("aiohttp", "apikeys", "asyncio", "endpoints", "gatewayproject", "uvicorn.error")
OTHER_KEY = "sk-proj-OtherMadeUp000000000000000000000000000aBcD"

KeyAt = Callable[..., ApiKey]
Rotate = Callable[[ApiKey, str], None]
CloudKey = Callable[..., Credentials]


@pytest.fixture
def nothing_slips_out(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test provokes: no traceback of ours, and no credential in any log."""
    for name in LOGGERS:
        caplog.set_level("DEBUG", name)
    yield
    shown = [record for record in caplog.get_records("call") if record.name.startswith(LOGGERS)]
    said = "\n".join(logging.Formatter().format(record) for record in shown)
    assert "Traceback" not in said  # of uvicorn, say: ours names the exception's kind only
    assert " in the gateway\n" not in said
    assert not [secret for secret in (OPENAI_KEY, OTHER_KEY, "gh_") if secret in said]


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on loopback that speaks all dialects and writes down what it receives."""
    with Provider().running() as provider:
        yield provider


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The server of all tests; each has a gateway of its own in it."""
    with gateway_running() as served:
        yield served


@pytest.fixture
def gateway(transactional_db: None, settings: Any, served: Served) -> Iterator[str]:
    """The URL below which the gateway is served: ``http://127.0.0.1:port/gateway``."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    yield f"{served.url}/gateway"
    served.start_afresh()


@pytest.fixture
def key_at(gateway: str, provider: Provider, make_key: Callable[..., ApiKey]) -> KeyAt:
    """Make a key of a provider that is played by the fake one."""

    def make(name: str = "my-openai-key", kind: str = "openai", **kwargs: object) -> ApiKey:
        url = kwargs.pop("url", provider.url)
        return make_key(name, kind, api_base=f"{url}{PATHS.get(kind, '/v1')}", **kwargs)

    return make


@pytest.fixture
def token(gateway: str, by: Actor) -> str:
    """A gateway token for every endpoint."""
    return create_token(GatewayToken(name="tests", all_endpoints=True), [], by=by)


@pytest.fixture
def endpoint(key_at: KeyAt, make_endpoint: Callable[..., Endpoint]) -> Endpoint:
    """The endpoint ``search``: an OpenAI key and the model gpt-5-mini."""
    return make_endpoint("search", key_at())


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Provider]:
    """A second one, which plays every token service; this server has no identity of its own."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name))
    with Provider().running() as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.url)
        monkeypatch.setattr(addresses, "METADATA_SERVICE", cloud.url)
        yield cloud


@pytest.fixture
def clouds_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cloud has its services on loopback as well."""
    owns = Cloud.owns

    def also_on_loopback(cloud: Cloud, url: str, **facts: bool) -> bool:
        return url.startswith("http://127.0.0.1:") or owns(cloud, url, **facts)

    monkeypatch.setattr(Cloud, "owns", also_on_loopback)


@pytest.fixture
def sender(settings: Any) -> Iterator[Sender]:
    """The part of a gateway that signs and sends."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    with Sender.running() as sender:
        yield sender


@pytest.fixture
def cloud_key(provider: Provider, cloud: Provider, clouds_on_loopback: None) -> CloudKey:
    """Make credentials of a scheme such as ``bedrock/access_keys``, for the fake ones."""

    def make(kind: str, **kwargs: Any) -> Credentials:
        key = clouds.credentials_of(dict(clouds.schemes())[kind], **kwargs)
        return clouds.moved(key, api=provider.url, tokens=cloud.url)

    return make


@pytest.fixture
def identity(cloud: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This server has an identity of its own at AWS and at Google."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASERVERSOWN000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret-of-the-server")
    file = tmp_path / "identity.json"
    pem, url = clouds.key_pair().private, f"{cloud.url}/token"
    file.write_text(fakes.service_account(private_key=pem, token_uri=url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


@pytest.fixture
def other_key(key_at: KeyAt) -> ApiKey:
    """Another OpenAI key, with other credentials."""
    return key_at("my-other-key", secrets={"api_key": OTHER_KEY})


@pytest.fixture
def rotate(by: Actor) -> Rotate:
    """Replace the credentials of a key."""

    def replace(key: ApiKey, secret: str) -> None:
        key.refresh_from_db()
        drafts.save(key, {"api_key": secret}, by=by)

    return replace
