"""Oracle Cloud: the signature is checked against what arrived, with the public key."""

import hashlib
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from google.auth.crypt import RSAVerifier

from gatewayproject.demo.provider import Provider, Received
from tests import fakes
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.clouds import Sender, header
from tests.gateway_fixtures import CloudKey

from .test_google import PEM_PROBLEM

KIND = "oci/api_signing_key"
CHAT = "/20231130/actions/chat"
OF_ANY = ["date", "(request-target)", "host"]
OF_A_BODY = [*OF_ANY, "content-length", "content-type", "x-content-sha256"]
AUTHORIZATION = re.compile(
    r'Signature version="1",keyId="(?P<key>[^"]+)",algorithm="rsa-sha256",'
    r'headers="(?P<headers>[^"]+)",signature="(?P<signature>[^"]+)"'
)


def check(received: Received) -> list[str]:
    """Check the signature over what arrived, and return what it is over."""
    given = AUTHORIZATION.fullmatch(str(header(received, "authorization")))
    assert given is not None
    names = given["headers"].split(" ")
    values = {"(request-target)": f"{received.method.lower()} {received.target}"}
    text = "\n".join(f"{name}: {values.get(name) or header(received, name)}" for name in names)
    verifier = RSAVerifier.from_string(clouds.key_pair().public)
    assert verifier.verify(text, b64decode(given["signature"]))
    assert given["key"] == (f"ocid1.tenancy.oc1..acme/ocid1.user.oc1..kim/{':'.join(['0f'] * 16)}")
    return names


def test_a_post_is_signed_with_its_body(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    body = '{"chatRequest":{"message":"é"}}'.encode()

    sender.send(cloud_key(KIND), path=CHAT, body=body)

    (received,) = provider.requests
    assert check(received) == OF_A_BODY
    digest = b64encode(hashlib.sha256(received.body).digest()).decode()
    assert header(received, "x-content-sha256") == digest
    assert header(received, "content-length") == str(len(body))
    date = parsedate_to_datetime(str(header(received, "date")))
    assert abs((datetime.now(UTC) - date).total_seconds()) < 60


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_post_without_a_content_type_is_json(
    body: bytes, sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key(KIND), path=CHAT, body=body, headers=[])

    (received,) = provider.requests
    assert check(received) == OF_A_BODY
    assert header(received, "content-type") == "application/json"
    assert header(received, "content-length") == str(len(body))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_request_without_a_body_is_signed_with_its_query(
    method: str, sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    path = "/20231130/models?compartmentId=ocid1.compartment.oc1..acme&displayName=a%20b%2Fc"

    sender.send(cloud_key(KIND), method=method, path=path, headers=[], body=b"")

    (received,) = provider.requests
    assert received.target == path
    assert check(received) == OF_ANY


def test_the_clients_signed_headers_are_not_sent(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("x-date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("x-content-sha256", "made-up"),
        ("opc-request-id", "7"),
    ]

    sender.send(cloud_key(KIND), path=CHAT, headers=headers)

    (received,) = provider.requests
    assert check(received) == OF_A_BODY
    assert header(received, "content-type") == "application/json; charset=utf-8"
    assert header(received, "opc-request-id") == "7"
    assert header(received, "x-date") is None
    assert "1970" not in str(header(received, "date"))


def test_the_label_that_oracles_console_adds_to_a_key_does_no_harm(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    pem = f"{clouds.key_pair().private}OCI_API_KEY\n"

    sender.send(cloud_key(KIND, secrets={"oci_key": pem}), path=CHAT)

    assert check(provider.requests[0]) == OF_A_BODY


def test_a_private_key_that_cannot_sign(sender: Sender, cloud_key: CloudKey) -> None:
    key = cloud_key(KIND, secrets={"oci_key": fakes.PEM})

    assert [str(outcome) for outcome in sender.sign(key)] == [PEM_PROBLEM]


def test_a_new_version_of_a_key_is_read_again(sender: Sender, cloud_key: CloudKey) -> None:
    assert sender.sign(cloud_key(KIND)) == [()]

    new = cloud_key(KIND, secrets={"oci_key": fakes.PEM}, owner="key-1/version-2:sealed")

    assert [str(outcome) for outcome in sender.sign(new)] == [PEM_PROBLEM]
