"""Where a key may be sent, decided at the moment of dialling."""

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from apikeys.catalogue.origins import is_private_host
from apikeys.models import ApiKey, CredentialVersion
from apikeys.sealing import Role
from endpoints.gateway.upstream.addresses import refuse_private
from endpoints.gateway.upstream.client import NoPublicAddress
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import chat

PRIVATE = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "::1", "::", "::ffff:127.0.0.1", "fe80::1", "fd00::1",
    "224.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
    "2002:a00:1::1", "::127.0.0.1", "::10.0.0.1", "::ffff:0:7f00:1", "::ffff:10.0.0.1", "fec0::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", "ff0e::1",
]  # fmt: skip
# What clouds offer to their own servers: Azure, AWS, Google, Alibaba, Oracle; and in other forms.
PLATFORM = [
    "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "192.0.0.9",
    "192.88.99.1", "3fff::1", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1",
    "2600:1f00::5efe:a83f:8110", "2600:1f00::200:5efe:a9fe:a9fe", "::ffff:192.0.0.192",
    "64:ff9b::6464:64c8",
]  # fmt: skip
NOT_FOUND = "Could not reach {}: no public address found. Try again."
PUBLIC = [
    "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    "168.63.129.17", "2600:1f00::5efe:808:808",
]  # fmt: skip


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by name, in place of the network's name service."""
    names: dict[str, list[str]] = {}
    ask = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in names:
            return ask(host, port, *args, **kwargs)
        if not names[host]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in names[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return names


@pytest.mark.parametrize(
    "addresses", [*([address] for address in PRIVATE), ["203.0.113.1", "10.0.0.1"]]
)
def test_a_public_name_that_leads_to_a_private_address_is_refused(
    gateway: str,
    token: str,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    resolve: dict[str, list[str]],
    addresses: list[str],
) -> None:
    make_endpoint("search", make_key(api_base="https://ai.example.com/v1"))
    resolve["ai.example.com"] = addresses

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_unreachable")
    assert answer.json()["error"]["message"] == NOT_FOUND.format("ai.example.com")


def test_a_name_that_does_not_exist_is_reported_like_a_private_one(
    gateway: str,
    token: str,
    settings: Any,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    resolve: dict[str, list[str]],
) -> None:
    """Otherwise one could ask which names exist on the network of the server."""
    make_endpoint("search", make_key(api_base="https://ai.example.com/v1"))
    resolve["ai.example.com"] = []

    hidden = chat(gateway, token)
    settings.ALLOWED_PRIVATE_ORIGINS = ["https://ai.example.com"]
    named = chat(gateway, token)

    assert (hidden.status, hidden.code) == (502, "provider_unreachable")
    assert hidden.json()["error"]["message"] == NOT_FOUND.format("ai.example.com")
    assert "Could not reach ai.example.com: name not found." in named.json()["error"]["message"]


@pytest.mark.parametrize("address", [*PRIVATE, *PLATFORM])
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(NoPublicAddress):
        refuse_private("ai.example.com", 443, [address], [])
    assert is_private_host(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_in_whatever_form_is_dialled(address: str) -> None:
    refuse_private("ai.example.com", 443, [address], [])


@pytest.mark.parametrize("address", ["64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1"])
def test_a_private_address_inside_another_in_a_url_is_refused(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    address: str,
) -> None:
    key = make_key(api_base="https://ai.example.com/v1")
    make_endpoint("search", key)
    reseal_towards(key, f"http://[{address}]:{provider.port}")
    settings.ALLOWED_PRIVATE_ORIGINS = []

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_unreachable")
    assert "no public address found" in answer.json()["error"]["message"]


@pytest.mark.parametrize("allowed", [[], ["http://127.0.0.1:1"], ["http://localhost:*"]])
def test_a_private_address_is_refused_once_it_is_no_longer_allowed(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    allowed: list[str],
) -> None:
    make_endpoint("search", key_at())
    settings.ALLOWED_PRIVATE_ORIGINS = allowed

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_unreachable")
    assert provider.open_connections == 0


@pytest.mark.parametrize("name", ["provider.test", "provider1", "10-0-0-1.example.com"])
def test_a_name_that_the_operator_allowed_may_be_private(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    resolve: dict[str, list[str]],
    name: str,
) -> None:
    resolve[name] = ["127.0.0.1"]
    settings.ALLOWED_PRIVATE_ORIGINS = [f"http://{name}:{provider.port}"]
    make_endpoint("search", key_at(url=f"http://{name}:{provider.port}"))

    answer = chat(gateway, token)

    assert answer.status == 200
    assert ("Host", f"{name}:{provider.port}") in provider.requests[0].headers


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_an_address_in_disguise_gets_past_neither_the_form_nor_the_dialler(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    make_key: MakeKey,
    make_endpoint: MakeEndpoint,
    host: str,
    by: Any,
) -> None:
    key = make_key(api_base="https://ai.example.com/v1")
    make_endpoint("search", key)
    reseal_towards(key, f"http://{host}:{provider.port}")
    settings.ALLOWED_PRIVATE_ORIGINS = []

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_unreachable")
    assert provider.open_connections == 0


def reseal_towards(key: ApiKey, url: str) -> None:
    """Seal the key towards an address that no form would take."""
    config = {**key.config, "api_base": f"{url}/v1"}
    version = CredentialVersion.seal(
        key, {"api_key": OPENAI_KEY}, origins={Role.API: url}, by="kim"
    )
    version.save()
    ApiKey.objects.filter(pk=key.pk).update(config=config, current=version)


@pytest.mark.parametrize(
    "variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
)
def test_proxies_of_the_environment_are_ignored(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    make_endpoint("search", key_at())

    with Provider().running() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        answer = chat(gateway, token)

    assert answer.status == 200
    assert len(provider.requests) == 1
    assert not proxy.requests


def test_what_was_checked_is_what_is_dialled(
    gateway: str,
    provider: Provider,
    token: str,
    settings: Any,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, asked = urlsplit(provider.url).port, []
    settings.ALLOWED_PRIVATE_ORIGINS = [f"http://provider.test:{port}"]
    make_endpoint("search", key_at(url=f"http://provider.test:{port}"))
    ask = socket.getaddrinfo

    def answer_once(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Lead to the provider the first time, and astray ever after."""
        if host != "provider.test":
            return ask(host, *args, **kwargs)
        asked.append(host)
        return ask("127.0.0.1" if len(asked) == 1 else "127.0.0.9", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer_once)

    assert [chat(gateway, token).status for _ in range(5)] == [200] * 5
    assert len(asked) == 1
