"""Tests of credentials: which request is sent, what the response means, and what stays hidden."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from apikeys import credential_tests
from apikeys.credential_tests import ProbeResult
from apikeys.models import ApiKey, Verdict
from apikeys.sealing import Secrets
from endpoints.gateway.probe import runner
from endpoints.gateway.probe.request import WRONG
from endpoints.gateway.probe.runner import AT_ONCE, GatewayTester
from endpoints.gateway.upstream.aiohttp_client import AiohttpUpstream
from endpoints.gateway.upstream.client import Request
from gatewayproject.demo.provider import Provider, Response
from tests import fakes

from . import clouds

CANARY = "sk-proj-CanaryThatNobodyMayShow00000000000000"
SCHEMES = dict(clouds.schemes())
# Those tested at an address that a user entered, where any server may be.
ELSEWHERE = {
    "ollama/none", "ollama/api_key", "openai_compatible/api_key", "openai_compatible/none",
    "lm_studio/api_key", "litellm_proxy/api_key", "databricks/pat_token", "databricks/oauth_m2m",
}  # fmt: skip
# Those that cannot be tested, and those where obtaining a token is the whole test.
SILENT = {
    "jina_ai/api_key", "minimax/api_key", "watsonx/zen_api_key", "snowflake/api_key",
    "snowflake/jwt", "azure_ai/api_key", "oci/api_signing_key", "helicone/api_key",
    "voyage/api_key",  # where it would cost tokens
}  # fmt: skip
EXCHANGES = {"vertex_ai/service_account_json", "vertex_ai/default_chain", "watsonx/api_key"}
CALLED = SCHEMES.keys() - SILENT - EXCHANGES

Check = Callable[..., ProbeResult]


@pytest.fixture
def asked(provider: Provider, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the fake provider play all the others. Returns the addresses that were asked."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*"]
    addresses: list[str] = []
    send = AiohttpUpstream.send

    async def send_here(client: AiohttpUpstream, request: Request) -> object:
        addresses.append(request.url)
        parts = urlsplit(request.url)
        request.url = f"{provider.url}{parts.path}?{parts.query}"
        return await send(client, request)

    monkeypatch.setattr(AiohttpUpstream, "send", send_here)
    return addresses


@pytest.fixture
def check(cloud: Provider, identity: None) -> Check:
    """Check credentials of a scheme such as ``openai/api_key``."""

    def check(kind: str, *, secrets: dict[str, str] | None = None, **config: str) -> ProbeResult:
        if kind.endswith("/iam_role"):
            cloud.next_responses(clouds.assumed_role())
        key, scheme = clouds.credentials_of(SCHEMES[kind]), SCHEMES[kind]
        api_key = ApiKey(scheme=scheme, config={**fakes.config_for(scheme), **config})
        return credential_tests.tester().test(api_key, Secrets(key.secrets | (secrets or {})))

    return check


@pytest.fixture
def check_at(settings: Any) -> Check:
    """Test an OpenAI key at an address that a user entered."""
    settings.ALLOWED_PRIVATE_ORIGINS = ["http://127.0.0.1:*", "https://127.0.0.1:*"]

    def check_at(url: str, key: str = fakes.OPENAI_KEY) -> ProbeResult:
        scheme = SCHEMES["openai/api_key"]
        api_key = ApiKey(scheme=scheme, config={"api_base": f"{url}/v1"})
        return credential_tests.tester().test(api_key, Secrets(api_key=key))

    return check_at


@pytest.fixture(autouse=True)
def nothing_is_told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No log holds the canary, at any level."""
    with caplog.at_level(logging.DEBUG):
        yield
    assert "Canary" not in caplog.text


def answer_with(provider: Provider, kind: str, answer: Response) -> None:
    """Let every call that checks ``kind`` be answered so; token services go on working."""
    path = urlsplit(SCHEMES[kind].verify["url"].replace("{", "").replace("}", "")).path
    provider.script(path.rpartition("/")[2] or "/", answer, repeat=True)


# --- Every scheme of the catalogue ---------------------------------------------------------------


def test_every_scheme_is_spoken_for_here() -> None:
    assert len(SCHEMES) > 90
    assert SCHEMES.keys() > SILENT | EXCHANGES | ELSEWHERE


@pytest.mark.parametrize("kind", SCHEMES)
def test_a_success_is_worth_something_only_where_a_wrong_key_is_known_to_be_refused(
    kind: str, asked: list[str], provider: Provider, check: Check
) -> None:
    if kind in CALLED:
        answer_with(provider, kind, Response(body=b"{}"))
    enforced = SCHEMES[kind].verify.get("enforced") and kind not in SILENT | ELSEWHERE

    result = check(kind)

    assert result.outcome == (Verdict.WORKS if enforced else Verdict.UNCHECKABLE)
    assert (" accepts th" in result.message) == bool(enforced)
    if result.reached_api:
        assert enforced
        assert kind not in EXCHANGES


@pytest.mark.parametrize("kind", sorted(CALLED))
def test_a_refusal_is_a_refusal_everywhere(
    kind: str, asked: list[str], provider: Provider, check: Check
) -> None:
    answer_with(provider, kind, Response(status=401, body=b"{}"))

    result = check(kind)

    assert (result.outcome, "(401)" in result.message) == (Verdict.REFUSED, True)
    assert result.status == 401


@pytest.mark.parametrize("kind", sorted(CALLED))
def test_the_credential_goes_only_where_the_key_is_sealed_for(
    kind: str, asked: list[str], provider: Provider, check: Check
) -> None:
    answer_with(provider, kind, Response(body=b"{}"))
    scheme = SCHEMES[kind]
    origins = ApiKey(scheme=scheme, config=fakes.config_for(scheme)).origins()

    check(kind)

    hosts = {urlsplit(origin).hostname for origin in origins.values()} | {
        "127.0.0.1"
    }  # metadata service
    assert asked
    assert {urlsplit(url).hostname for url in asked} <= hosts
    assert not any(fakes.OPENAI_KEY in url for url in asked)
    if scheme.secret_specs and scheme.secret_specs[0].required:
        last = provider.requests[-1]
        assert any(name.lower() in CARRIERS for name, _ in last.headers) or last.body


CARRIERS = {"authorization", "api-key", "x-api-key", "x-goog-api-key", "x-portkey-api-key"}


@pytest.mark.parametrize("kind", sorted(SILENT))
def test_nothing_is_asked_where_there_is_nothing_to_learn_or_it_costs(
    kind: str, asked: list[str], check: Check
) -> None:
    result = check(kind)

    assert result.outcome == Verdict.UNCHECKABLE
    assert asked == []


@pytest.mark.parametrize("kind", ["watsonx/api_key", "vertex_ai/service_account_json"])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Verdict.REFUSED),
        (400, Verdict.REFUSED),
        (503, Verdict.UNCLEAR),
    ],
)
def test_the_token_service_shows_whether_the_credential_works(
    kind: str, status: int, outcome: str, asked: list[str], provider: Provider, check: Check
) -> None:
    provider.next_responses(Response(status=status, body=b'{"error":"invalid_grant"}'))

    result = check(kind)

    assert result.outcome == outcome
    assert str(status) in result.message


@pytest.mark.parametrize("kind", ["azure/service_principal", "databricks/oauth_m2m"])
def test_where_no_token_is_issued_the_api_is_not_asked(
    kind: str, asked: list[str], provider: Provider, check: Check
) -> None:
    provider.script("token", Response(status=401, body=b"{}"))

    assert check(kind).outcome == Verdict.REFUSED
    assert len(asked) == 1


def test_an_invalid_private_key_is_not_reported_as_a_refusal(
    asked: list[str], check: Check
) -> None:
    document = fakes.service_account(private_key=f"-----BEGIN {CANARY}")

    result = check("vertex_ai/service_account_json", secrets={"vertex_credentials": document})

    assert result.outcome == Verdict.UNCLEAR
    assert "not a complete RSA key" in result.message
    assert "Canary" not in result.message


@pytest.mark.parametrize("kind", ["bedrock/access_keys", "sagemaker/default_chain"])
def test_aws_is_asked_who_this_is(
    kind: str, asked: list[str], provider: Provider, check: Check
) -> None:
    provider.next_responses(Response())

    result = check(kind, aws_region_name="us-gov-west-1")

    (received,) = provider.requests
    assert asked == [
        "https://sts.us-gov-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    ]
    assert "/us-gov-west-1/sts/aws4_request" in dict(received.headers)["authorization"]
    assert "not its permission to use models" in result.message


def test_nvidias_key_travels_in_the_form_alone(
    asked: list[str], provider: Provider, check: Check
) -> None:
    provider.next_responses(Response())

    check("nvidia_nim/api_key")

    (received,) = provider.requests
    assert clouds.form(received) == {"credentials": fakes.OPENAI_KEY}
    assert not any(fakes.OPENAI_KEY in value for _, value in received.headers)


# --- What an answer means ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "outcome", "words"),
    [
        ("openai/api_key", 200, Verdict.WORKS, "OpenAI accepts this key."),
        (
            "anthropic/api_key",
            401,
            Verdict.REFUSED,
            "Anthropic does not recognize this key (401).",
        ),
        ("anthropic/api_key", 404, Verdict.UNCLEAR, "Anthropic returned 404 for this address."),
        ("azure/api_key", 403, Verdict.LIMITED, "Azure OpenAI does not permit this key"),
        (
            "openai/api_key",
            403,
            Verdict.LIMITED,
            "OpenAI does not permit this key to make this call",
        ),
        (
            "deepseek/api_key",
            402,
            Verdict.NO_CREDIT,
            "the account has no credit left (402)",
        ),
        (
            "openai/api_key",
            429,
            Verdict.RATE_LIMITED,
            "limited the rate of requests (429)",
        ),
        ("openai/api_key", 404, Verdict.UNCLEAR, "Check the API base URL."),
        (
            "openai/api_key",
            302,
            Verdict.UNCLEAR,
            "a redirect (302). Gatehouse does not follow",
        ),
        (
            "openai/api_key",
            400,
            Verdict.UNCLEAR,
            "returned 400, so this key could not be verified",
        ),
        ("openai/api_key", 500, Verdict.UNCLEAR, "OpenAI returned a server error (500)"),
        (
            "openai/api_key",
            204,
            Verdict.UNCLEAR,
            "returned 204, so this key could not be verified",
        ),
        ("mistral/api_key", 200, Verdict.WORKS, "Mistral AI accepts this key."),
        (
            "cerebras/api_key",
            200,
            Verdict.UNCHECKABLE,
            "it may also accept an invalid key",
        ),
        (
            "cerebras/api_key",
            401,
            Verdict.REFUSED,
            "Cerebras does not recognize this key (401).",
        ),
        (
            "vercel_ai_gateway/api_key",
            200,
            Verdict.UNCHECKABLE,
            "also accepts requests without a key",
        ),
        (
            "databricks/pat_token",
            401,
            Verdict.REFUSED,
            "ai.example.com does not recognize this token",
        ),
        ("azure/managed_identity", 200, Verdict.WORKS, "accepts this server’s identity."),
        ("bedrock/access_keys", 401, Verdict.REFUSED, "AWS caches the wrong one"),
    ],
)
def test_each_response_has_its_own_result(
    kind: str,
    status: int,
    outcome: str,
    words: str,
    asked: list[str],
    provider: Provider,
    check: Check,
) -> None:
    headers = {"location": "https://elsewhere.example/v1/models"} if status == 302 else {}
    answer_with(provider, kind, Response(status=status, headers=headers, body=b"{}"))

    result = check(kind)

    assert (result.outcome, words in result.message) == (outcome, True), result.message


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome", "words"),
    [
        (
            "openai/api_key",
            401,
            b'{"error":{"message":"You have insufficient permissions for this operation."}}',
            Verdict.LIMITED,
            "does not permit this key to make this call (401)",
        ),
        (
            "databricks/pat_token",
            403,
            b'{"error_code":403,"message":"Invalid access token."}',
            Verdict.REFUSED,
            "refuses this token (403)",
        ),
        (
            "xai/api_key",
            400,
            b'{"code":"x","error":"Incorrect API key provided: sk***YA."}',
            Verdict.REFUSED,
            "xAI refuses this key (400)",
        ),
        (
            "bedrock/access_keys",
            403,
            b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
            Verdict.REFUSED,
            "AWS caches the wrong one",
        ),
        (
            "openai/api_key",
            403,
            b'{"error":{"code":"unsupported_country_region_territory"}}',
            Verdict.LIMITED,
            "does not serve the location of this server (403, unsupported_country",
        ),
        (
            "openai/api_key",
            403,
            b"<html>Just a moment...</html>",
            Verdict.UNCLEAR,
            "A firewall in front of OpenAI blocked the request (403)",
        ),
        (
            "groq/api_key",
            429,
            b'{"error":{"code":"insufficient_quota"}}',
            Verdict.NO_CREDIT,
            "no credit left (429, insufficient_quota)",
        ),
    ],
)
def test_an_error_means_what_it_means_to_the_gateway(
    kind: str,
    status: int,
    body: bytes,
    outcome: str,
    words: str,
    asked: list[str],
    provider: Provider,
    check: Check,
) -> None:
    answer_with(provider, kind, Response(status=status, body=body))

    result = check(kind)

    assert (result.outcome, words in result.message) == (outcome, True), result.message


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (
            b'{"error":{"status":"INVALID_ARGUMENT","reason":"API_KEY_INVALID"}}',
            Verdict.REFUSED,
        ),
        (b'{"error":{"status":"FAILED_PRECONDITION"}}', Verdict.UNCLEAR),
        (b"x" * 70_000 + b"API_KEY_INVALID", Verdict.UNCLEAR),
    ],
)
def test_googles_400_is_read_before_it_is_believed(
    body: bytes, outcome: str, asked: list[str], provider: Provider, check: Check
) -> None:
    provider.next_responses(Response(status=400, body=body))

    assert check("gemini/api_key").outcome == outcome


def test_a_provider_that_repeats_the_key_is_not_repeated(
    asked: list[str], provider: Provider, check: Check
) -> None:
    for status in (200, 302, 400, 401, 403, 404, 429, 500):
        provider.next_responses(
            Response(status=status, headers={"location": f"/{CANARY}"}, body=CANARY.encode())
        )

        result = check("openai/api_key", secrets={"api_key": CANARY})

        assert "Canary" not in f"{result!r}"


# --- At an address that a user entered -----------------------------------------------------------


def test_another_address_is_believed_once_it_refuses_a_made_up_key(
    provider: Provider, check_at: Check
) -> None:
    provider.accept_keys = {CANARY}

    result = check_at(provider.url, CANARY)

    assert result.passed
    assert result.message == "127.0.0.1 accepts this key, and refuses an invalid one."
    sent = [dict(request.headers)["authorization"] for request in provider.requests]
    assert sent == [f"Bearer {CANARY}", f"Bearer {WRONG}"]


def test_another_address_that_takes_any_key_proves_nothing(
    provider: Provider, check_at: Check
) -> None:
    result = check_at(provider.url)

    assert result.outcome == Verdict.UNCHECKABLE
    assert "also accepts an invalid key" in result.message


def test_another_address_that_refuses_is_asked_once_and_called_by_its_name(
    provider: Provider, check_at: Check
) -> None:
    provider.accept_keys = set()

    result = check_at(provider.url)

    assert (result.outcome, len(provider.requests)) == (Verdict.REFUSED, 1)
    assert result.message == "127.0.0.1 does not recognize this key (401)."


def test_a_404_of_another_address_is_not_blamed_on_the_key(
    asked: list[str], provider: Provider, check: Check
) -> None:
    answer_with(provider, "anthropic/api_key", Response(status=404))

    result = check("anthropic/api_key", api_base="https://proxy.example.com")

    assert result.outcome == Verdict.UNCLEAR
    assert result.message.endswith("Check the API base URL.")


def test_another_address_of_the_provider_is_its_own(openai: object, asked: list[str]) -> None:
    api_key = ApiKey(scheme=openai, config={"api_base": "https://eu.api.openai.com/v1"})

    assert (
        credential_tests.tester().test(api_key, Secrets(api_key=CANARY)).message
        == "OpenAI accepts this key."
    )


def test_the_key_of_a_server_of_ones_own_is_not_shown_to_the_provider(
    asked: list[str], check: Check
) -> None:
    result = check("nvidia_nim/api_key", api_base="https://nim.example.com/v1")

    assert result.outcome == Verdict.UNCHECKABLE
    assert asked == []


# --- The way there -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused_when_dialling(
    host: str, provider: Provider, check_at: Check, settings: Any
) -> None:
    settings.ALLOWED_PRIVATE_ORIGINS = []

    result = check_at(f"http://{host}:{provider.port}")

    assert result.outcome == Verdict.UNREACHABLE
    assert result.message == f"Could not reach {host}: no public address found."
    assert provider.requests == []


def test_of_an_allowed_host_the_real_cause_is_reported(provider: Provider, check_at: Check) -> None:
    """In words of ours: an answer of something else may hold anything."""
    no_server = check_at("http://127.0.0.1:1")
    no_tls = check_at(f"https://127.0.0.1:{provider.port}")
    provider.next_responses(Response(raw=b"SSH-2.0-OpenSSH\r\n"))
    no_http = check_at(provider.url)

    assert [(result.outcome, result.message) for result in (no_server, no_tls, no_http)] == [
        (Verdict.UNREACHABLE, f"Could not reach 127.0.0.1: {cause}.")
        for cause in (
            "connection refused",
            "TLS handshake failed",
            "the response is not valid HTTP",
        )
    ]


def test_an_unreachable_token_service_is_reported_in_the_same_words(check: Check) -> None:
    result = check("databricks/oauth_m2m", api_base="http://127.0.0.1:1")

    assert result.outcome == Verdict.UNREACHABLE
    assert result.message == "Could not reach 127.0.0.1: no public address found."


def test_a_redirect_is_not_followed(provider: Provider, check_at: Check) -> None:
    provider.next_responses(Response(status=307, headers={"location": f"{provider.url}/v1/models"}))

    assert check_at(provider.url).outcome == Verdict.UNCLEAR
    assert len(provider.requests) == 1


def test_proxies_of_the_environment_are_ignored(
    provider: Provider, cloud: Provider, check_at: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", cloud.url)
    monkeypatch.setenv("ALL_PROXY", cloud.url)

    check_at(provider.url)

    assert provider.requests
    assert cloud.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        Response(delay=20),
        Response(status=400, headers={"content-length": "9"}, body=b"x", stall=True),
    ],
)
def test_no_request_waits_long_for_a_slow_provider(
    answer: Response, provider: Provider, check_at: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SECONDS", 0.3)
    provider.next_responses(answer)
    began = time.monotonic()

    assert check_at(provider.url).outcome == Verdict.UNREACHABLE
    assert time.monotonic() - began < 15


def test_a_success_is_not_read_to_its_end(provider: Provider, check_at: Check) -> None:
    endless = Response(chunks=[b"x"], stall=True)
    provider.next_responses(endless, Response(status=401))

    assert check_at(provider.url).passed


def test_a_few_tests_run_at_once_and_no_more(
    provider: Provider, check_at: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = GatewayTester()
    for _ in range(AT_ONCE):
        busy._free.acquire()
    monkeypatch.setattr(credential_tests, "_registered", busy)

    result = check_at(provider.url)

    assert (result.outcome, provider.requests) == (Verdict.UNCLEAR, [])
    busy._free.release()
    assert check_at(provider.url).outcome == Verdict.UNCHECKABLE
    assert check_at(provider.url).outcome == Verdict.UNCHECKABLE  # its place is free again
