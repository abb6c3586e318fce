"""Google: a service account's assertion, and this server's own identity."""

import json
import sys
import time
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from google.auth import jwt

from endpoints.gateway.signing import CredentialsRefused
from gatewayproject.demo.provider import Provider, json_response
from tests import fakes
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.clouds import Sender, form, header
from tests.gateway_fixtures import CloudKey

SERVICE_ACCOUNT = "vertex_ai/service_account_json"
DEFAULT = "vertex_ai/default_chain"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PEM_PROBLEM = "The private key is not a complete RSA key in PEM format without a passphrase."


def other_kind_of_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_with_a_passphrase() -> str:
    key = load_pem_private_key(clouds.key_pair().private.encode(), None)
    encryption = BestAvailableEncryption(b"made-up")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def test_a_service_account_signs_an_assertion_for_the_token_service(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key(SERVICE_ACCOUNT))

    (asked,) = cloud.requests
    sent = form(asked)
    assert (asked.method, asked.target) == ("POST", "/token")
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(sent["assertion"], certs=clouds.key_pair().public)
    assert claims["iss"] == "gatehouse@acme-search.iam.gserviceaccount.com"
    assert (claims["aud"], claims["scope"]) == (f"{cloud.url}/token", SCOPE)
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 60
    head = json.loads(urlsafe_b64decode(sent["assertion"].partition(".")[0] + "=="))
    assert head == {
        "typ": "JWT",
        "alg": "RS256",
        "kid": "0123456789abcdef0123456789abcdef0123beef",
    }
    assert header(provider.requests[0], "authorization") == "Bearer made-up-1"


def test_the_document_does_not_choose_the_token_service(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey
) -> None:
    document = fakes.service_account(
        private_key=clouds.key_pair().private, token_uri=f"{provider.url}/token"
    )
    key = cloud_key(SERVICE_ACCOUNT, secrets={"vertex_credentials": document})

    sender.sign(key)

    assert not provider.requests
    assert len(cloud.requests) == 1


def test_a_service_account_that_google_refuses(
    sender: Sender, cloud: Provider, cloud_key: CloudKey
) -> None:
    cloud.next_responses(json_response({"error": "invalid_grant"}, 400))

    (outcome,) = sender.sign(cloud_key(SERVICE_ACCOUNT))

    assert isinstance(outcome, CredentialsRefused)
    assert str(outcome) == "The token service refused these credentials (400)."


@pytest.mark.parametrize("document", ["made up", "[]", "{}", "[" * 100_000, '{"private_key": 7}'])
def test_a_document_of_another_kind(document: str, sender: Sender, cloud_key: CloudKey) -> None:
    key = cloud_key(SERVICE_ACCOUNT, secrets={"vertex_credentials": document})

    (outcome,) = sender.sign(key)

    assert str(outcome) == "The service account key is not a valid JSON file from Google."


@pytest.mark.parametrize(
    "pem", [fakes.PEM, "made up", other_kind_of_key(), key_with_a_passphrase()]
)
def test_a_private_key_that_cannot_sign(pem: str, sender: Sender, cloud_key: CloudKey) -> None:
    document = fakes.service_account(private_key=pem)
    key = cloud_key(SERVICE_ACCOUNT, secrets={"vertex_credentials": document})

    assert [str(outcome) for outcome in sender.sign(key)] == [PEM_PROBLEM]


def test_this_servers_own_identity(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    key = cloud_key(DEFAULT)

    sender.send(key, key)
    sender.send(key)

    (asked,) = cloud.requests
    claims = jwt.decode(form(asked)["assertion"], certs=clouds.key_pair().public)
    assert claims["scope"] == SCOPE
    bearers = [header(received, "authorization") for received in provider.requests]
    assert bearers == ["Bearer made-up-1"] * 3


def test_proxies_of_the_environment_are_ignored(
    sender: Sender,
    cloud: Provider,
    cloud_key: CloudKey,
    identity: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert sender.sign(cloud_key(DEFAULT)) == [("made-up-1",)]


def test_a_server_without_an_identity_is_reported(sender: Sender, cloud_key: CloudKey) -> None:
    (outcome,) = sender.sign(cloud_key(DEFAULT))

    assert "This server has no Google identity" in str(outcome)


@pytest.mark.parametrize("status", [302, 400, 401, 403])
def test_an_identity_that_google_refuses_is_reported_in_our_own_words(
    status: int, sender: Sender, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    refusal = {"error": "invalid_grant", "error_description": "made-up-words"}
    cloud.script("/token", json_response(refusal, status), repeat=True)

    (outcome,) = sender.sign(cloud_key(DEFAULT))

    assert str(outcome) == "Google issued no token for this server's identity."


def test_a_redirect_of_the_token_service_is_not_followed(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    astray = json_response({}, 307, headers={"location": f"{provider.url}/token"})
    cloud.script("/token", astray, repeat=True)

    sender.sign(cloud_key(DEFAULT), cloud_key(SERVICE_ACCOUNT))

    assert cloud.requests
    assert not provider.requests


def test_a_token_service_that_is_away(
    sender: Sender, cloud_key: CloudKey, identity: None, tmp_path: Path
) -> None:
    pem = clouds.key_pair().private
    document = fakes.service_account(private_key=pem, token_uri="http://127.0.0.1:9/token")
    (tmp_path / "identity.json").write_text(document)

    (outcome,) = sender.sign(cloud_key(DEFAULT))

    assert str(outcome) == "Could not reach Google's token service. Try again."


@pytest.mark.parametrize("kind", [SERVICE_ACCOUNT, DEFAULT, "oci/api_signing_key"])
def test_google_auth_is_asked_for_where_it_is_missing(
    kind: str, sender: Sender, cloud_key: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("google.auth", "google.auth.crypt", "google.auth.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)

    (outcome,) = sender.sign(cloud_key(kind))

    assert "needs google-auth" in str(outcome)
    assert "requirements-cloud.lock" in str(outcome)
