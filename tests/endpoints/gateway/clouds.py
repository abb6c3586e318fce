"""Keys of the clouds, their token services on loopback, and the part of the gateway that signs."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from apikeys.catalogue.loading import load_catalogue
from apikeys.catalogue.origins import origin_of
from apikeys.models import AuthScheme, Provider
from apikeys.sealing import Role, Secrets
from endpoints.gateway.routing.destinations import plan_of
from endpoints.gateway.signing import Credentials, Signing
from endpoints.gateway.upstream.aiohttp_client import AiohttpUpstream
from endpoints.gateway.upstream.client import Request
from gatewayproject.demo.provider import Received, Response
from tests import fakes

from .event_loops import Loop

OWNER = "key-1/version-1:sealed"


class KeyPair(NamedTuple):
    private: str
    public: str


@cache
def key_pair() -> KeyPair:
    """An RSA key, made for this run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(private.decode(), public.decode())


def schemes() -> Iterator[tuple[str, AuthScheme]]:
    """Yield every scheme of the catalogue, under a name such as ``bedrock/access_keys``."""
    for provider in load_catalogue():
        for entry in provider["scheme"]:
            facts = {name: entry[name] for name in ("slug", "name", "ambient", "fields")}
            scheme = AuthScheme(**facts, transport=entry["transport"], verify=entry["verify"])
            scheme.provider = Provider(slug=provider["slug"], name=provider["name"])
            yield f"{provider['slug']}/{entry['slug']}", scheme


def credentials_of(
    scheme: AuthScheme,
    *,
    secrets: Mapping[str, str] | None = None,
    owner: str = OWNER,
    **config: str,
) -> Credentials:
    """Return made-up credentials of ``scheme``, all that it requires and what is given here."""
    plan = plan_of(json.dumps(scheme.transport), json.dumps({**fakes.config_for(scheme), **config}))
    kept = Secrets({**fakes.credentials_for(scheme), **_real_keys(scheme), **(secrets or {})})
    return Credentials(owner, plan, kept)


def _real_keys(scheme: AuthScheme) -> dict[str, str]:
    pem = key_pair().private
    real = {"oci_key": pem, "vertex_credentials": fakes.service_account(private_key=pem)}
    return {spec.name: real[spec.name] for spec in scheme.secret_specs if spec.name in real}


def moved(credentials: Credentials, *, api: str, tokens: str) -> Credentials:
    """Return ``credentials`` for an API and a token service that are played on loopback."""
    plan = credentials.plan
    said = dict(plan.token)
    if "url" in said:
        said["url"] = tokens + urlsplit(said["url"]).path
    origins = {Role.API: origin_of(api), Role.TOKEN: origin_of(tokens)}
    here = replace(plan, base_url=api, origin=origin_of(api), origins=origins, token=said)
    return replace(credentials, plan=here)


class Sender:
    """The part of a gateway that signs and sends."""

    def __init__(self, loop: Loop) -> None:
        self.run = loop.run
        self.upstream, self.signing = self.run(self._make())

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        with closing(Loop()) as loop:
            sender = cls(loop)
            yield sender
            loop.run(sender.upstream.close())

    async def _make(self) -> tuple[AiohttpUpstream, Signing]:
        upstream = AiohttpUpstream(connect_seconds=5)
        return upstream, Signing(upstream)

    def send(self, *keys: Credentials, **request: Any) -> list[tuple[str, ...]]:
        """Send a request with each of ``keys``, all at once; returns what is secret of each."""
        return self.run(self._send_all(keys, request))

    def sign(self, *keys: Credentials) -> list[tuple[str, ...] | BaseException]:
        """Sign a request with each of ``keys`` at once, and return what came of each."""
        return self.run(self._sign_all(keys))

    def sign_and_leave(self, key: Credentials, *, stay: int, leave: int) -> list[Any]:
        """Sign with ``key``; the first to wait leave before they know what comes of it."""
        return self.run(self._sign_and_leave(key, stay, leave))

    async def _sign_and_leave(self, key: Credentials, stay: int, leave: int) -> list[Any]:
        tasks = [asyncio.create_task(self._sign(key)) for _ in range(leave + stay)]
        await asyncio.sleep(0.05)
        for task in tasks[:leave]:
            task.cancel()
        await asyncio.wait(tasks)
        return [task.result() for task in tasks[leave:]]

    async def _send_all(
        self, keys: Iterable[Credentials], request: dict[str, Any]
    ) -> list[tuple[str, ...]]:
        return await asyncio.gather(*(self._send(key, **request) for key in keys))

    async def _sign_all(self, keys: Iterable[Credentials]) -> list[Any]:
        signing = (self._sign(key) for key in keys)
        return await asyncio.gather(*signing, return_exceptions=True)

    async def _sign(self, key: Credentials) -> tuple[str, ...]:
        return await self.signing.sign(Request("GET", key.plan.base_url, [], b""), {}, key)

    async def _send(
        self,
        key: Credentials,
        *,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        headers: Iterable[tuple[str, str]] = (("content-type", "application/json"),),
        body: bytes = b'{"model":"gpt-5-mini","messages":[]}',
    ) -> tuple[str, ...]:
        request = Request(method, key.plan.base_url + path, list(headers), body)
        secret = await self.signing.sign(request, key.plan.headers, key)
        answer = await self.upstream.send(request)
        async for _ in answer.chunks():
            pass
        answer.close()
        return secret


def header(received: Received, wanted: str) -> str | None:
    """Return the one header of that name."""
    found = [value for name, value in received.headers if name.lower() == wanted]
    assert len(found) <= 1
    return found[0] if found else None


def form(received: Received) -> dict[str, str]:
    """Return the form that arrived."""
    assert header(received, "content-type") == "application/x-www-form-urlencoded"
    pairs = parse_qsl(received.body.decode(), strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def assumed_role(*, expires: str = "2099-01-01T00:00:00Z", number: int = 1) -> Response:
    """STS's answer to AssumeRole (source: AWS Security Token Service API Reference)."""
    text = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <AssumeRoleResult><Credentials>
        <AccessKeyId>ASIAMADEUPROLE{number:06}</AccessKeyId>
        <SecretAccessKey>made-up-role-secret-{number}</SecretAccessKey>
        <SessionToken>made-up-session-{number}</SessionToken>
        <Expiration>{expires}</Expiration>
      </Credentials></AssumeRoleResult></AssumeRoleResponse>"""
    return Response(headers={"content-type": "text/xml"}, body=text.encode())


def sts_refusal(code: str, status: int) -> Response:
    text = f"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <Error><Type>Sender</Type><Code>{code}</Code><Message>made-up-words</Message></Error>
      <RequestId>1</RequestId></ErrorResponse>"""
    return Response(status=status, headers={"content-type": "text/xml"}, body=text.encode())
