"""AWS: Signature Version 4 is computed again from its specification, for what arrived."""

import hashlib
import hmac
import logging
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

import pytest

from endpoints.gateway.signing import (
    CannotSign,
    CredentialsRefused,
    TokenServiceUnavailable,
    aws,
)
from gatewayproject.demo.provider import Provider, Received, Response
from tests.endpoints.gateway import clouds
from tests.endpoints.gateway.clouds import Sender, header
from tests.gateway_fixtures import CloudKey

ACCESS_KEYS = "bedrock/access_keys"
ROLE = "bedrock/iam_role"
CHAIN = "bedrock/default_chain"
OWN_ID, OWN_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ROLE_ID, ROLE_SECRET = "ASIAMADEUPROLE000001", "made-up-role-secret-1"
SERVER_ID, SERVER_SECRET = "AKIASERVERSOWN000000", "made-up-secret-of-the-server"
CLAUDE = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
PROFILE = (
    "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3A"
    "inference-profile%2Fus.amazon.nova-lite-v1%3A0/converse-stream"
)


class Given(NamedTuple):
    """What an Authorization header says."""

    access_key: str
    date: str
    region: str
    service: str
    headers: list[str]
    signature: str


def given(received: Received) -> Given:
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        str(header(received, "authorization")),
    )
    assert found is not None
    access_key, date, region, service, headers, signature = found.groups()
    return Given(access_key, date, region, service, headers.split(";"), signature)


def signature_of(received: Received, secret: str) -> str:
    """Compute the signature (source: AWS, "Create a signed AWS API request", steps 1 to 4)."""
    said, time = given(received), str(header(received, "x-amz-date"))
    path, _, query = received.target.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    escaped = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in pairs)
    canonical = "\n".join(
        [
            received.method,
            quote(path, safe="/~"),
            "&".join(f"{name}={value}" for name, value in escaped),
            *(f"{name}:{canonical_value(received, name)}" for name in said.headers),
            "",
            ";".join(said.headers),
            hashlib.sha256(received.body).hexdigest(),
        ]
    )
    scope = f"{said.date}/{said.region}/{said.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def canonical_value(received: Received, wanted: str) -> str:
    values = [value for name, value in received.headers if name.lower() == wanted]
    return ",".join(" ".join(value.split()) for value in values)


def check(received: Received, secret: str = OWN_SECRET) -> Given:
    said = given(received)
    assert said.signature == signature_of(received, secret)
    assert said.headers == sorted(said.headers)
    assert {"host", "x-amz-date"} <= set(said.headers)
    return said


def test_the_check_agrees_with_amazons_own_example() -> None:
    """Source: aws-sig-v4-test-suite, get-vanilla."""
    signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    example = Received(
        "GET",
        "/",
        [
            ("Host", "example.amazonaws.com"),
            ("X-Amz-Date", "20150830T123600Z"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                f"SignedHeaders=host;x-amz-date, Signature={signature}",
            ),
        ],
        b"",
    )

    check(example, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


# What is signed


@pytest.mark.parametrize("path", [CLAUDE, PROFILE, "/openai/v1/chat/completions"])
def test_access_keys_sign_a_model_in_the_path(
    path: str, sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key(ACCESS_KEYS), path=path)

    (received,) = provider.requests
    said = check(received)
    assert received.target == path
    assert (said.access_key, said.region, said.service) == (OWN_ID, "us-east-1", "bedrock")
    assert said.headers == ["content-type", "host", "x-amz-date"]
    assert header(received, "host") == provider.url.removeprefix("http://")
    time = datetime.strptime(str(header(received, "x-amz-date")), "%Y%m%dT%H%M%S%z")
    assert abs((datetime.now(UTC) - time).total_seconds()) < 60


def test_a_path_is_spelled_as_amazons_own_clients_do(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key(ACCESS_KEYS), path=CLAUDE.replace("%3A", ":"))
    sender.send(cloud_key(ACCESS_KEYS), path=PROFILE.replace("%3A", ":").replace("%2F", "%2f"))

    assert [received.target for received in provider.requests] == [CLAUDE, PROFILE]
    for received in provider.requests:
        check(received)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("maxResults=10&byProvider=anthropic", "maxResults=10&byProvider=anthropic"),
        ("b=2&a=1&a=0", "b=2&a=1&a=0"),
        ("flag&empty=", "flag=&empty="),
        ("name=a/b:c~d", "name=a%2Fb%3Ac~d"),
        ("name=a+b%20c%2Bd", "name=a%20b%20c%2Bd"),
        ("name=%e9%C3%A9", "name=%E9%C3%A9"),
    ],
)
def test_a_get_is_signed_with_its_query(
    query: str, sent: str, sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    path = f"/foundation-models?{query}"

    sender.send(cloud_key(ACCESS_KEYS), method="GET", path=path, headers=[], body=b"")

    (received,) = provider.requests
    assert received.target == f"/foundation-models?{sent}"
    if "%E9" not in sent:  # which is no UTF-8, so that the check could not read it
        check(received)


def test_amazons_own_headers_are_signed_and_others_are_not(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    headers = [
        ("content-type", "application/json"),
        ("accept", "application/vnd.amazon.eventstream"),
        ("x-amzn-bedrock-guardrailidentifier", "  made   up "),
        ("x-amz-meta-team", "search"),
        ("x-amz-meta-team", "ads"),
        ("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678"),
        ("user-agent", "made-up/1"),
    ]

    sender.send(cloud_key(ACCESS_KEYS), path=CLAUDE, headers=headers)

    said = check(provider.requests[0])
    assert said.headers == [
        "content-type",
        "host",
        "x-amz-date",
        "x-amz-meta-team",
        "x-amzn-bedrock-guardrailidentifier",
    ]


@pytest.mark.parametrize("size", [0, 1, 2 * aws.INLINE])
def test_a_body_of_any_size_is_signed(
    size: int, sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    sender.send(cloud_key(ACCESS_KEYS), path=CLAUDE, body=b"x" * size)

    check(provider.requests[0])
    assert len(provider.requests[0].body) == size


def test_temporary_keys_send_and_sign_their_session_token(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    key = cloud_key(ACCESS_KEYS, secrets={"aws_session_token": "made-up-session"})

    secret = sender.send(key, path=CLAUDE)

    said = check(provider.requests[0])
    assert "x-amz-security-token" in said.headers
    assert header(provider.requests[0], "x-amz-security-token") == "made-up-session"
    assert secret == [(OWN_ID, "made-up-session")]


def test_sagemaker_is_signed_for_as_itself_and_in_its_region(
    sender: Sender, provider: Provider, cloud_key: CloudKey
) -> None:
    key = cloud_key("sagemaker/access_keys", aws_region_name="eu-west-3")

    sender.send(key, path="/endpoints/llama/invocations")

    said = check(provider.requests[0])
    assert (said.service, said.region) == ("sagemaker", "eu-west-3")


def test_half_a_pair_of_access_keys_does_not_become_this_servers_identity(
    sender: Sender, cloud_key: CloudKey, identity: None
) -> None:
    half = cloud_key(ACCESS_KEYS, secrets={"aws_access_key_id": ""})

    (outcome,) = sender.sign(half)

    assert "aws_access_key_id" in str(outcome)


# Roles


def test_a_role_is_assumed_with_this_servers_own_credentials(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(clouds.assumed_role())

    secret = sender.send(cloud_key(ROLE), path=CLAUDE)

    (asked,) = cloud.requests
    assert check(asked, SERVER_SECRET).access_key == SERVER_ID
    assert check(asked, SERVER_SECRET).service == "sts"
    assert form_of(asked) == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": "arn:aws:iam::123456789012:role/gatehouse",
        "RoleSessionName": "gatehouse",
    }
    assert check(provider.requests[0], ROLE_SECRET).access_key == ROLE_ID
    assert header(provider.requests[0], "x-amz-security-token") == "made-up-session-1"
    assert secret == [(ROLE_ID, "made-up-session-1")]


def test_a_role_is_assumed_under_the_name_and_external_id_that_were_set(
    sender: Sender, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(clouds.assumed_role())

    sender.sign(cloud_key(ROLE, aws_session_name="search", aws_external_id="made-up-7"))

    asked = form_of(cloud.requests[0])
    assert (asked["RoleSessionName"], asked["ExternalId"]) == ("search", "made-up-7")


def test_a_key_that_stores_access_keys_assumes_its_role_with_these(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(clouds.assumed_role())
    key = cloud_key("sagemaker/iam_role", secrets={"aws_session_token": "made-up-session"})

    sender.send(key, path="/endpoints/llama/invocations")

    assert check(cloud.requests[0]).access_key == OWN_ID
    assert header(cloud.requests[0], "x-amz-security-token") == "made-up-session"
    assert check(provider.requests[0], ROLE_SECRET).service == "sagemaker"


def test_a_role_serves_until_shortly_before_its_end_and_no_other_role(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=900)).isoformat()
    for number in (1, 2, 3):
        cloud.next_responses(clouds.assumed_role(expires=soon, number=number))
    key, other = cloud_key(ROLE), cloud_key(ROLE, aws_role_name="arn:aws:iam::1:role/other")

    sender.send(key, key, key)
    sender.send(key)
    sender.send(other)
    sender.signing.forget(key.owner)
    sender.send(key)

    used = [given(received).access_key[-1] for received in provider.requests]
    assert used == ["1", "1", "1", "1", "2", "3"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("InvalidClientTokenId", 403), ("ValidationError", 400)],
)
def test_a_role_that_may_not_be_assumed(
    code: str, status: int, sender: Sender, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(clouds.sts_refusal(code, status))

    (outcome,) = sender.sign(cloud_key(ROLE))

    assert isinstance(outcome, CredentialsRefused)
    assert outcome.status == status
    assert str(outcome) == f"AWS's token service (STS) refused to assume the role ({status})."


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("InternalFailure", 500)])
def test_an_sts_that_is_busy_has_not_refused(
    code: str, status: int, sender: Sender, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(*[clouds.sts_refusal(code, status)] * 2)

    (outcome,) = sender.sign(cloud_key(ROLE))

    assert type(outcome) is TokenServiceUnavailable
    assert f"returned {status}" in str(outcome)


def test_an_sts_that_is_away(
    sender: Sender, cloud_key: CloudKey, identity: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")

    (outcome,) = sender.sign(cloud_key(ROLE))

    assert str(outcome) == "Could not reach AWS's token service (STS). Try again."


@pytest.mark.parametrize("body", [b"made up", b"<a/>", b""])
def test_an_sts_that_says_something_else(
    body: bytes, sender: Sender, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(Response(body=body))

    (outcome,) = sender.sign(cloud_key(ROLE))

    assert type(outcome) is CannotSign
    assert str(outcome).startswith("AWS issued no credentials (")


def test_proxies_of_the_environment_are_ignored(
    sender: Sender,
    cloud: Provider,
    cloud_key: CloudKey,
    identity: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    cloud.next_responses(clouds.assumed_role())

    assert sender.sign(cloud_key(ROLE)) == [(ROLE_ID, "made-up-session-1")]


# This server's own credentials


def test_this_servers_own_credentials(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    sender.send(cloud_key(CHAIN), path=CLAUDE)

    assert check(provider.requests[0], SERVER_SECRET).access_key == SERVER_ID
    assert not cloud.requests


def test_this_servers_own_credentials_assume_a_role_if_one_is_set(
    sender: Sender, provider: Provider, cloud: Provider, cloud_key: CloudKey, identity: None
) -> None:
    cloud.next_responses(clouds.assumed_role())
    key = cloud_key(CHAIN, aws_role_name="arn:aws:iam::123456789012:role/search")

    sender.send(key, path=CLAUDE)

    assert form_of(cloud.requests[0])["RoleArn"].endswith("role/search")
    assert check(provider.requests[0], ROLE_SECRET).access_key == ROLE_ID


@pytest.mark.parametrize("kind", [CHAIN, ROLE])
def test_a_server_without_credentials_is_reported(
    kind: str, sender: Sender, cloud_key: CloudKey
) -> None:
    (outcome,) = sender.sign(cloud_key(kind))

    assert str(outcome) == "This server has no AWS credentials of its own."


def test_a_profile_that_is_not_there(
    sender: Sender, cloud_key: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "made-up")

    (outcome,) = sender.sign(cloud_key(CHAIN))

    assert str(outcome) == "AWS issued no credentials (ProfileNotFound)."


# The library


@pytest.mark.parametrize("kind", [ACCESS_KEYS, ROLE, CHAIN])
def test_botocore_is_asked_for_where_it_is_missing(
    kind: str, sender: Sender, cloud_key: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "botocore", None)

    (outcome,) = sender.sign(cloud_key(kind))

    assert "needs botocore" in str(outcome)
    assert "requirements-cloud.lock" in str(outcome)


def test_nothing_secret_is_logged(
    sender: Sender,
    cloud: Provider,
    cloud_key: CloudKey,
    identity: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud.next_responses(clouds.assumed_role())

    sender.send(cloud_key(ROLE), path=CLAUDE)

    assert "made-up" not in caplog.text
    assert SERVER_ID not in caplog.text


def form_of(asked: Received) -> dict[str, str]:
    kind = str(header(asked, "content-type")).partition(";")[0]
    assert kind == "application/x-www-form-urlencoded"
    return dict(parse_qsl(asked.body.decode()))
