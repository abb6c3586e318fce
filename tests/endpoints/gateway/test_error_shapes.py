"""Errors in the form that each client reads, on the native paths of its provider as well."""

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from apikeys.models import ApiKey
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider

from .client import ask

INVALID = "This gateway token is not valid. Check that you copied all of it."
OLLAMA = {"User-Agent": "ollama-python/0.6.1 (x86_64 linux) Python/3.11"}
GOOGLE = {"x-goog-api-client": "google-genai-sdk/3.4.0"}


def converse(gateway: str, token: str) -> Any:
    """Call Bedrock with AWS's SDK, whose signature makes way for the gateway token."""
    client = get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{gateway}/search",
        aws_access_key_id="AKIAMADEUP",
        aws_secret_access_key="made-up",
        config=Config(retries={"total_max_attempts": 5, "mode": "standard"}),
    )

    def sign(request: Any, **_: Any) -> None:
        request.headers["Authorization"] = f"Bearer {token}"

    client.meta.events.register("before-send", sign)
    return client.converse(
        modelId="claude", messages=[{"role": "user", "content": [{"text": "Hi"}]}]
    )


def test_awss_sdk_shows_the_message(gateway: str, endpoint: Endpoint) -> None:
    with pytest.raises(ClientError) as raised:
        converse(gateway, "gh_mistyped")

    error = raised.value.response
    assert error["Error"]["Message"] == INVALID
    assert error["Error"]["Code"] == "unknown_token"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 401


def test_awss_sdk_does_not_retry_what_is_hopeless(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    """It would retry any 5xx."""
    provider.accept_keys = set()
    provider.script("claude", repeat=True)

    with pytest.raises(ClientError, match="refused this endpoint's API key") as raised:
        converse(gateway, token)

    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    calls = [request for request in provider.requests if "converse" in request.target]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/search/api/chat", {}),
        ("/search/api/tags", OLLAMA),
        ("/search/v1/anything", OLLAMA),
    ],
)
def test_ollamas_clients_read_a_string(
    gateway: str, endpoint: Endpoint, path: str, headers: dict[str, str]
) -> None:
    answer = ask(gateway, path, b"{}", token="gh_mistyped", headers=headers)

    assert (answer.status, answer.json()) == (401, {"error": INVALID, "code": "unknown_token"})


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/search/v1beta/models/gem:generateContent", {}),
        ("/search/v1beta/cachedContents", GOOGLE),
    ],
)
def test_googles_clients_read_a_status(
    gateway: str, token: str, endpoint: Endpoint, path: str, headers: dict[str, str]
) -> None:
    ApiKey.objects.update(enabled=False)

    answer = ask(gateway, path, b"{}", token=token, headers=headers)

    assert (answer.status, answer.json()["error"]["status"]) == (424, "FAILED_PRECONDITION")
    assert answer.json()["error"]["details"][0]["reason"] == "NO_WORKING_KEY"


@pytest.mark.parametrize(
    "path", ["/search/model/claude/invoke", "/search/model/a%2Fb/converse-stream"]
)
def test_bedrocks_paths_have_a_message_at_the_top(
    gateway: str, endpoint: Endpoint, path: str
) -> None:
    answer = ask(gateway, path, b"{}", token="gh_mistyped")

    assert answer.json() == {"message": INVALID, "__type": "unknown_token"}


def test_other_native_paths_keep_the_clients_dialect(gateway: str, endpoint: Endpoint) -> None:
    answer = ask(gateway, "/search/v1/files", token="gh_mistyped", method="GET")
    theirs = ask(gateway, "/search/v1/files", method="GET", headers={"x-api-key": "gh_mistyped"})

    assert answer.json()["error"]["code"] == "unknown_token"
    assert theirs.json()["type"] == "error"
