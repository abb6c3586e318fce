"""Every scheme of the catalogue puts its credential on a request, once and where it belongs."""

import re
from collections.abc import Mapping

import pytest

from endpoints.gateway.signing import credential_headers
from endpoints.gateway.signing.sign import SIGNATURES, TOKENS
from gatewayproject.demo.provider import Provider
from tests import fakes
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.clouds import Sender
from tests.gateway_fixtures import CloudKey

SCHEMES = dict(clouds.schemes())
PLAIN = {kind: scheme for kind, scheme in SCHEMES.items() if not scheme.transport.get("signer")}
SIGNED = {kind: scheme for kind, scheme in SCHEMES.items() if kind not in PLAIN}

BEARER = {"authorization": f"Bearer {fakes.OPENAI_KEY}"}
# How a credential travels, where it is not as a bearer token. Source: the providers' own API
# references, as collected apart from the catalogue.
OTHERS: Mapping[str, Mapping[str, str]] = {
    "openai/azure_api_key": {"api-key": fakes.OPENAI_KEY},
    "azure/api_key": {"api-key": fakes.OPENAI_KEY},
    "azure_ai/api_key": {"api-key": fakes.OPENAI_KEY},
    "anthropic/api_key": {"x-api-key": fakes.OPENAI_KEY, "anthropic-version": "2023-06-01"},
    "gemini/api_key": {"x-goog-api-key": fakes.OPENAI_KEY},
    "watsonx/zen_api_key": {"authorization": f"ZenApiKey {fakes.OPENAI_KEY}"},
    "snowflake/jwt": {**BEARER, "x-snowflake-authorization-token-type": "KEYPAIR_JWT"},
    "portkey/api_key": {"x-portkey-api-key": fakes.OPENAI_KEY},
    "ollama/none": {},
    "openai_compatible/none": {},
    "lm_studio/api_key": {},  # whose key is optional
    "openai_compatible/api_key": {},
    "vllm/api_key": {},
}
AUTHORIZATION = {
    "azure_imds": r"Bearer made-up-\d+",
    "google_default": r"Bearer made-up-\d+",
    "google_service_account": r"Bearer made-up-\d+",
    "ibm_iam": r"Bearer made-up-\d+",
    "oauth2_client_credentials": r"Bearer made-up-\d+",
    "aws_sigv4": r"AWS4-HMAC-SHA256 Credential=\S+, SignedHeaders=\S+, Signature=[0-9a-f]{64}",
    "oci_signature": r'Signature version="1",keyId="[^"]+",algorithm="rsa-sha256",.+',
}


def test_the_catalogue_has_all_the_schemes_that_are_proven_here() -> None:
    assert len(SCHEMES) > 90
    assert set(OTHERS) < set(PLAIN)
    assert {scheme.transport["signer"] for scheme in SIGNED.values()} == set(AUTHORIZATION)
    assert set(AUTHORIZATION) == set(TOKENS) | set(SIGNATURES)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_credential_travels_in_its_own_header_and_in_no_other(kind: str) -> None:
    key = clouds.credentials_of(PLAIN[kind])

    headers = list(credential_headers(key.plan.headers, key))

    assert headers == list(OTHERS.get(kind, BEARER).items())


@pytest.mark.parametrize(
    ("kind", "secrets", "config", "headers"),
    [
        (
            "openai/api_key",
            {},
            {"organization": "org-acme", "project": "proj_search"},
            {**BEARER, "openai-organization": "org-acme", "openai-project": "proj_search"},
        ),
        ("openai/api_key", {}, {"organization": "", "project": ""}, BEARER),
        (
            "portkey/api_key",
            {"provider_api_key": "made-up", "portkey_config": "pc-acme"},
            {"portkey_provider": "openai"},
            {
                "x-portkey-api-key": fakes.OPENAI_KEY,
                "x-portkey-provider": "openai",
                "x-portkey-config": "pc-acme",
                "authorization": "Bearer made-up",
            },
        ),
        (
            "openai_compatible/api_key",
            {"api_key": "made-up", "extra_headers": "X-Team: search\nX-Cost: 7"},
            {},
            {"authorization": "Bearer made-up", "x-team": "search", "x-cost": "7"},
        ),
    ],
)
def test_what_is_optional_travels_once_it_is_given(
    kind: str,
    secrets: Mapping[str, str],
    config: Mapping[str, str],
    headers: Mapping[str, str],
) -> None:
    key = clouds.credentials_of(PLAIN[kind], secrets=secrets, **config)

    sent = list(credential_headers(key.plan.headers, key))

    assert sent == list(headers.items())


@pytest.mark.parametrize("kind", SIGNED)
def test_a_signer_adds_one_authorization_and_nothing_that_is_secret(
    kind: str,
    sender: Sender,
    provider: Provider,
    cloud: Provider,
    cloud_key: CloudKey,
    identity: None,
) -> None:
    key = cloud_key(kind)
    if kind.endswith("/iam_role"):
        cloud.next_responses(clouds.assumed_role())

    sender.send(key, path="/somewhere")

    (received,) = provider.requests
    given = clouds.header(received, "authorization")
    assert given is not None
    assert re.fullmatch(AUTHORIZATION[key.plan.signer], given)
    sent = f"{received.target} {received.headers} {received.body!r}"
    secrets = {value for name, value in key.secrets.items() if name != "aws_access_key_id"}
    assert not any(secret in sent for secret in secrets)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_dialect_of_its_own_carries_the_same_credential(kind: str) -> None:
    key = clouds.credentials_of(PLAIN[kind])

    for dialect in key.plan.dialects:
        destination = key.plan.destination(dialect, "models", "model")
        headers = dict(credential_headers(destination.headers, key))

        carried = [name for name, value in headers.items() if fakes.OPENAI_KEY in value]
        assert len(carried) == (0 if kind.endswith("/none") or not key.secrets else 1)
