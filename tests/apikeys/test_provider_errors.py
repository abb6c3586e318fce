"""The table of errors: what providers' bodies mean, and what a client cannot make them mean."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from django.core.exceptions import ValidationError

from apikeys.catalogue.loading import load_catalogue
from apikeys.catalogue.provider_errors import (
    Cause,
    ErrorRule,
    declared_rules,
    facts_of,
    load_rules,
    meaning_of,
)
from apikeys.models import AuthScheme

Headers = Sequence[tuple[bytes, bytes]]
HTML = (b"Content-Type", b"text/html; charset=UTF-8")


def cause_of(
    provider: str, status: int, body: bytes | object = b"", headers: Headers = ()
) -> Cause | None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    own = msgspec.convert(declared_rules(provider), tuple[ErrorRule, ...])
    meaning = meaning_of(facts_of(status, headers, sent), own)
    return meaning.cause if meaning else None


def openai_error(code: str, message: str = "", kind: str = "invalid_request_error") -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(status: str, message: str, reason: str = "") -> Any:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    return {"error": {"code": 0, "message": message, "status": status, "details": [info]}}


SCOPES = "You have insufficient permissions for this operation. Missing scopes: model.request."
CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
STS = b"<ErrorResponse><Error><Type>Sender</Type><Code>%b</Code></Error></ErrorResponse>"
NO_ACCESS = {"message": "You don't have access to the model with the specified model ID."}


@pytest.mark.parametrize(
    ("provider", "status", "body", "cause"),
    [
        ("openai", 401, openai_error("invalid_api_key"), Cause.WRONG_KEY),
        ("openai", 401, b"", Cause.WRONG_KEY),
        ("openai", 401, openai_error("", SCOPES), Cause.NOT_PERMITTED),
        ("openai", 403, openai_error("model_not_found"), Cause.NOT_PERMITTED),
        ("openai", 404, openai_error("model_not_found"), Cause.MODEL_MISSING),
        (
            "openai",
            429,
            openai_error("insufficient_quota", kind="insufficient_quota"),
            Cause.NO_CREDIT,
        ),
        ("openai", 429, openai_error("rate_limit_exceeded"), None),
        ("openai", 403, openai_error("unsupported_country_region_territory"), Cause.LOCATION),
        ("openai", 400, openai_error("billing_hard_limit_reached"), Cause.NO_CREDIT),
        ("openai", 404, b"Not found", None),
        (
            "azure",
            401,
            openai_error("401", "Access denied due to invalid subscription key"),
            Cause.WRONG_KEY,
        ),
        ("azure", 401, openai_error("PermissionDenied"), Cause.NOT_PERMITTED),
        ("azure", 403, openai_error("AuthenticationTypeDisabled"), Cause.NOT_PERMITTED),
        ("azure", 404, openai_error("DeploymentNotFound"), Cause.MODEL_MISSING),
        ("azure", 400, openai_error("content_filter"), Cause.MODERATED),
        ("anthropic", 401, anthropic("authentication_error", "invalid x-api-key"), Cause.WRONG_KEY),
        ("anthropic", 403, anthropic("permission_error", "No."), Cause.NOT_PERMITTED),
        ("anthropic", 400, anthropic("invalid_request_error", CREDIT), Cause.NO_CREDIT),
        ("anthropic", 400, anthropic("invalid_request_error", "max_tokens: required"), None),
        ("anthropic", 404, anthropic("not_found_error", "model: claude-0"), Cause.MODEL_MISSING),
        ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), None),
        ("gemini", 400, google("INVALID_ARGUMENT", "Bad key", "API_KEY_INVALID"), Cause.WRONG_KEY),
        ("gemini", 400, [google("INVALID_ARGUMENT", "", "API_KEY_INVALID")], Cause.WRONG_KEY),
        (
            "gemini",
            403,
            google("PERMISSION_DENIED", "", "API_KEY_SERVICE_BLOCKED"),
            Cause.NOT_PERMITTED,
        ),
        (
            "gemini",
            403,
            google("PERMISSION_DENIED", "Your API key was reported as leaked."),
            Cause.WRONG_KEY,
        ),
        (
            "gemini",
            400,
            google("FAILED_PRECONDITION", "User location is not supported for the API use."),
            Cause.LOCATION,
        ),
        (
            "gemini",
            404,
            google("NOT_FOUND", "models/gem is not found for API version v1beta"),
            Cause.MODEL_MISSING,
        ),
        ("gemini", 429, google("RESOURCE_EXHAUSTED", "Quota"), None),
        ("bedrock", 403, STS % b"InvalidClientTokenId", Cause.WRONG_KEY),
        ("bedrock", 403, {"message": "Authentication failed: Please make sure"}, Cause.WRONG_KEY),
        ("openrouter", 402, openai_error("402", "Insufficient credits"), Cause.NO_CREDIT),
        (
            "openrouter",
            403,
            {"error": {"code": 403, "message": "x", "metadata": {"flagged_input": "…"}}},
            Cause.MODERATED,
        ),
        (
            "openrouter",
            403,
            openai_error("403", "Key limit exceeded (total limit)."),
            Cause.NO_CREDIT,
        ),
        ("groq", 403, openai_error("model_permission_blocked_project"), Cause.NOT_PERMITTED),
        ("groq", 400, openai_error("model_decommissioned"), Cause.MODEL_MISSING),
        (
            "deepseek",
            402,
            openai_error("invalid_request_error", "Insufficient Balance"),
            Cause.NO_CREDIT,
        ),
        (
            "xai",
            400,
            {"code": "invalid", "error": "Incorrect API key provided: na***ys."},
            Cause.WRONG_KEY,
        ),
        ("xai", 403, {"code": "x", "error": "Content violates usage guidelines."}, Cause.MODERATED),
        (
            "xai",
            403,
            {"code": "x", "error": "You have run out of credits or need a subscription"},
            Cause.NO_CREDIT,
        ),
        (
            "moonshot",
            429,
            openai_error("", "Suspended", "exceeded_current_quota_error"),
            Cause.NO_CREDIT,
        ),
        (
            "zai",
            429,
            openai_error("1113", "Insufficient balance or no resource package."),
            Cause.NO_CREDIT,
        ),
        (
            "fireworks_ai",
            412,
            {"error": {"message": "Account acme is suspended, possibly"}},
            Cause.NO_CREDIT,
        ),
        (
            "huggingface",
            403,
            {"error": "This authentication method does not have sufficient permissions to"},
            Cause.NOT_PERMITTED,
        ),
        (
            "databricks",
            403,
            {"error_code": 403, "message": "Invalid access token."},
            Cause.WRONG_KEY,
        ),
        (
            "databricks",
            403,
            {"error_code": "PERMISSION_DENIED", "message": "No."},
            Cause.NOT_PERMITTED,
        ),
        ("mistral", 410, b"", Cause.MODEL_MISSING),
        ("mistral", 403, b"{}", Cause.NOT_PERMITTED),
        ("mistral", 500, openai_error("invalid_api_key"), None),
    ],
)
def test_what_providers_return(
    provider: str, status: int, body: object, cause: Cause | None
) -> None:
    assert cause_of(provider, status, body) == cause


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (
            b"AccessDeniedException:http://internal.amazon.com/coral/com.amazon.bedrock/",
            Cause.NOT_PERMITTED,
        ),
        (b"UnrecognizedClientException", Cause.WRONG_KEY),
        (b"ExpiredTokenException", Cause.WRONG_KEY),
    ],
)
def test_aws_puts_its_code_into_a_header(code: bytes, cause: Cause) -> None:
    assert cause_of("bedrock", 403, NO_ACCESS, [(b"x-amzn-ErrorType", code)]) == cause


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, [HTML], b"<!DOCTYPE html><title>Just a moment...</title>"),
        (403, [], b"<html>blocked</html>"),
        (503, [(b"cf-mitigated", b"challenge")], b""),
        (403, [(b"cf-mitigated", b"challenge"), HTML], b""),
    ],
)
def test_the_page_of_a_firewall_is_a_challenge(status: int, headers: Headers, body: bytes) -> None:
    assert cause_of("openai", status, body, headers) == Cause.CHALLENGE


def test_a_page_with_401_is_about_the_key() -> None:
    """Perplexity's, for a wrong key."""
    assert (
        cause_of("perplexity", 401, b"<html>401 Authorization Required</html>") == Cause.WRONG_KEY
    )


@pytest.mark.parametrize(
    "body",
    [
        anthropic("invalid_request_error", f"messages.0: {CREDIT}"),
        anthropic("invalid_request_error", "x") | {"quote": {"code": "insufficient_quota"}},
        {"error": {"message": "x", "input": {"error": {"code": "insufficient_quota"}}}},
        {"error": {"message": "insufficient_quota", "param": "insufficient_quota"}},
        b"insufficient_quota",
        b'{"error":' * 5_000,
        b'{"error": {"code": "insufficient_quota", "message": "' + b"x" * 70_000 + b'"}}',
        b"\xff\x00",
        {"error": {"code": None, "type": ["insufficient_quota"], "details": "insufficient_quota"}},
        {"error": {"code": True, "details": [None, {"reason": 7}], "metadata": []}},
    ],
)
def test_what_a_client_wrote_is_not_what_the_provider_says(body: object) -> None:
    assert cause_of("anthropic", 400, body) is None


def test_only_a_known_code_is_shown() -> None:
    body = json.dumps(openai_error("INVALID_API_KEY", kind="sk-made-up")).encode()

    meaning = meaning_of(facts_of(401, [], body))

    assert meaning is not None
    assert meaning.code == "invalid_api_key"


def test_every_provider_with_rules_is_in_the_catalog_and_stores_them() -> None:
    transports = {
        entry["slug"]: [scheme["transport"] for scheme in entry["scheme"]]
        for entry in load_catalogue()
    }

    with_rules = load_rules()["provider"].keys()
    assert with_rules <= transports.keys()
    for slug in with_rules:
        assert all(each["errors"] == declared_rules(slug) for each in transports[slug])


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"means": "no_credit"}, "needs a status or a code"),
        ({"status": [402], "means": "poor"}, "poor"),
        ({"status": [200], "means": "no_credit"}, "400"),
        ({"says": "(", "means": "no_credit"}, "not a regular expression"),
    ],
)
def test_an_operators_own_rules_are_checked(openai: AuthScheme, rule: Any, says: str) -> None:
    openai.transport = {**openai.transport, "errors": [rule]}

    with pytest.raises(ValidationError, match=says):
        openai.full_clean()
