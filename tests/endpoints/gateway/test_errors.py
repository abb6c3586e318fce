"""What goes wrong before a provider is asked, in the words of each dialect and of its SDK."""

import ast
import re
from collections.abc import Callable
from datetime import timedelta
from string import Formatter
from typing import Any

import anthropic
import openai
import pytest
from django.utils import timezone
from google import genai
from google.genai import errors as google_errors

from apikeys.catalogue.origins import origin_of
from apikeys.models import ApiKey, AuthScheme, CredentialVersion
from apikeys.sealing import Role, seal
from endpoints.gateway.http.problems import Problem, Refusal
from endpoints.gateway.routing.verdicts import EFFECTS
from endpoints.models import Endpoint, GatewayToken
from gatewayproject.accounts.actors import Actor
from gatewayproject.demo.provider import Provider
from tests.conftest import MakeEndpoint, MakeKey
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt
from tests.installation import ROOT

from .client import HELLO, ask, chat

Arrange = Callable[[Any], None]


def by_openai(gateway: str, token: str, model: str) -> Exception:
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1", max_retries=0)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=HELLO)
    return raised.value


def by_anthropic(gateway: str, token: str, model: str) -> Exception:
    client = anthropic.Anthropic(api_key=token, base_url=f"{gateway}/anthropic", max_retries=0)
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(model=model, max_tokens=9, messages=HELLO)
    return raised.value


def by_google(gateway: str, token: str, model: str) -> google_errors.APIError:
    options = {"base_url": f"{gateway}/gemini"}
    client = genai.Client(api_key=token, vertexai=False, http_options=options)
    with pytest.raises(google_errors.APIError) as raised:
        client.models.generate_content(model=model, contents="Hi")
    return raised.value


REFUSED = openai.AuthenticationError | anthropic.AuthenticationError | google_errors.ClientError


@pytest.fixture
def endpoints(key_at: KeyAt, make_endpoint: MakeEndpoint, by: Actor) -> None:
    """Endpoints that cannot serve, for one reason each; Groq's key is one that speaks OpenAI's."""
    key = key_at()
    make_endpoint("search", key)
    make_endpoint("disabled", key, enabled=False)
    make_endpoint("no-key", None)
    moved, damaged = key_at("moved"), key_at("damaged")
    make_endpoint("moved", moved)
    make_endpoint("damaged", damaged)
    ApiKey.objects.filter(pk=moved.pk).update(config={"api_base": "http://127.0.0.1:9/v1"})
    CredentialVersion.objects.filter(api_key=damaged).update(
        sealed=CredentialVersion.objects.get(api_key=key).sealed
    )


STATUSES = {
    "unknown": (404, "unknown_endpoint"),
    "Not A Name\x00\ud800"[:-1]: (404, "unknown_endpoint"),
    "disabled": (403, "endpoint_disabled"),
    "no-key": (424, "no_working_key"),
    "moved": (424, "key_unreadable"),
    "damaged": (424, "key_unreadable"),
}
OF_OPENAI = {
    404: openai.NotFoundError,
    403: openai.PermissionDeniedError,
    424: openai.APIStatusError,
}
OF_ANTHROPIC = {
    404: (anthropic.NotFoundError, "not_found_error"),
    403: (anthropic.PermissionDeniedError, "permission_error"),
    424: (anthropic.APIStatusError, "api_error"),
}
OF_GOOGLE = {
    404: (google_errors.ClientError, "NOT_FOUND"),
    403: (google_errors.ClientError, "PERMISSION_DENIED"),
    424: (google_errors.ClientError, "FAILED_PRECONDITION"),
}


def test_openais_sdk_raises_what_it_would_at_openai(
    gateway: str, provider: Provider, token: str, endpoints: None
) -> None:
    for model, (status, code) in STATUSES.items():
        error = by_openai(gateway, token, model)

        assert (error.status_code, error.code) == (status, code)
        assert isinstance(error, OF_OPENAI[status])
        assert error.type == "invalid_request_error"
    assert not provider.requests


def test_anthropics_sdk_raises_what_it_would_at_anthropic(
    gateway: str, provider: Provider, token: str, endpoints: None
) -> None:
    for model, (status, code) in STATUSES.items():
        error = by_anthropic(gateway, token, model)

        raised, kind = OF_ANTHROPIC[status]
        assert isinstance(error, raised)
        assert error.body["type"] == "error"
        assert (error.body["error"]["type"], error.body["error"]["code"]) == (kind, code)
        assert error.body["request_id"] == error.response.headers["x-gatehouse-request-id"]
    assert not provider.requests


def test_googles_sdk_raises_what_it_would_at_google(
    gateway: str, provider: Provider, token: str, endpoints: None
) -> None:
    for model, (status, code) in STATUSES.items():
        if " " in model:
            continue
        error = by_google(gateway, token, model)

        raised, word = OF_GOOGLE[status]
        assert isinstance(error, raised)
        assert (error.code, error.status) == (status, word)
        assert error.details["error"]["details"][0]["reason"] == code.upper()
    assert not provider.requests


@pytest.mark.parametrize("setting", ["base_url", "deployment_url"])
def test_a_scheme_changed_to_another_host_in_the_database_gets_no_key(
    gateway: str, provider: Provider, token: str, make_key: MakeKey, make_endpoint: MakeEndpoint,
    setting: str,
) -> None:  # fmt: skip
    """Promise 2 of docs/security.md: who writes to the database alone learns no key."""
    key = make_key("my-key", "azure", api_version="2024-10-21")
    ApiKey.objects.update(config={**key.config, "api_base": provider.url})
    CredentialVersion.objects.filter(pk=key.current_id).update(
        sealed=seal(
            {"api_key": OPENAI_KEY},
            owner=CredentialVersion(pk=key.current_id).owner(key.pk),
            origins={Role.API: origin_of(provider.url)},
        )
    )
    make_endpoint("search", key)
    with Provider().running() as elsewhere:
        transport = AuthScheme.objects.get(pk=key.scheme_id).transport
        transport["dialects"]["openai"][setting] = f"{elsewhere.url}/v1"
        AuthScheme.objects.filter(pk=key.scheme_id).update(transport=transport)

        operation = "responses" if setting == "base_url" else "chat/completions"
        answer = ask(gateway, f"/v1/{operation}", {"model": "search"}, token=token)

        assert (answer.status, answer.code) == (424, "key_unreadable")
        assert not elsewhere.requests


@pytest.mark.parametrize("name", ["moved", "damaged"])
def test_an_unreadable_key_is_reported_without_its_value(
    gateway: str, token: str, endpoints: None, name: str
) -> None:
    answer = chat(gateway, token, name)

    assert (answer.status, answer.code) == (424, "key_unreadable")
    assert OPENAI_KEY not in answer.body.decode()
    assert answer.headers["cache-control"] == "no-store, no-transform"


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"digest": "0" * 64}, "unknown_token"),
        ({"revoked_at": timezone.now()}, "token_revoked"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "token_expired"),
    ],
)
@pytest.mark.parametrize("call", [by_openai, by_anthropic, by_google])
def test_every_sdk_knows_that_its_token_is_no_good(
    gateway: str,
    token: str,
    endpoint: Endpoint,
    facts: dict[str, object],
    code: str,
    call: Callable[[str, str, str], Any],
) -> None:
    GatewayToken.objects.update(**facts)

    error = call(gateway, token, "search")

    assert isinstance(error, REFUSED)
    assert error.response.status_code == 401 if error.response else error.code == 401
    assert code in str(getattr(error, "body", None) or error.details).lower()


def test_the_documentation_lists_every_code_with_its_status() -> None:
    table = (ROOT / "docs/gateway.md").read_text().split("## Errors")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ")][1:]
    documented = {
        (int(status), code)
        for statuses, codes in rows
        for status in statuses.split(",")
        for code in re.findall(r"`(\w+)`", codes)
    }
    pairs = {(problem.status, problem.code) for problem in Problem}

    assert pairs <= documented
    assert {code for _, code in documented} == {problem.code for problem in Problem}


def facts_of(problem: Problem) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(problem.message) if name is not None}


def test_every_refusal_has_the_facts_of_its_message() -> None:
    calls = [
        node
        for package in ("endpoints/gateway", "gatewayproject/server")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id == "Refusal" and isinstance(node.args[0], ast.Attribute)
    ]
    found = [
        (Problem[call.args[0].attr], {each.arg for each in call.keywords} - {"dialect", "headers"})
        for call in calls
    ]

    assert not [(problem, facts) for problem, facts in found if facts != facts_of(problem)]
    indirect = {
        *(Problem.NO_MODEL, Problem.NOT_JSON, Problem.PROVIDER_UNREACHABLE),
        *(effect.problem for effect in EFFECTS.values()),
    }
    assert {problem for problem, _ in found} | indirect == set(Problem)


def test_a_fact_is_not_a_template() -> None:
    refusal = Refusal(Problem.ENDPOINT_DISABLED, name="a {name} {}")

    assert "The endpoint a {name} {} is disabled." in refusal.message
    assert str(refusal) == "endpoint_disabled"


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "google"])
def test_a_problem_at_the_end_of_a_stream_is_an_event(dialect: str) -> None:
    event = Refusal(Problem.PROVIDER_BROKE_OFF).event(dialect, "req_1")

    assert event.endswith(b"\n\n")
    assert event.startswith(b"event: error\n" if dialect == "anthropic" else b"data: {")
