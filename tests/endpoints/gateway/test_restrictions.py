"""A good key that its provider does not serve: no permission, no credit, no such model."""

import json
from datetime import timedelta
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKey, Restriction
from endpoints.gateway.lookup.directory import FoundRoute
from endpoints.gateway.routing import key_marks, pauses
from endpoints.models import Endpoint, Route
from endpoints.usage.models import ALL_TIME, UsageBucket
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.demo.provider import Provider, Response, json_response
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt, Rotate

from .client import ask, chat, eventually

DENIED = json_response({"error": {"code": "PermissionDenied", "message": "proj_acme: no."}}, 403)
FLAGGED = {"error": {"code": 403, "message": "Flagged.", "metadata": {"flagged_input": "Boo"}}}
CREDIT = {
    "type": "invalid_request_error",
    "message": "Your credit balance is too low to access it.",
}
LOCATION = {"status": "FAILED_PRECONDITION", "message": "User location is not supported for this."}
BROKE = json_response({"error": {"code": "insufficient_quota", "message": "Pay."}}, 429)


def models_in(provider: Provider) -> list[str]:
    return [json.loads(request.body)["model"] for request in provider.requests]


def acts_on(key: ApiKey) -> list[tuple[str, str]]:
    events = AuditEvent.objects.about(key).filter(channel="gateway").order_by("id")
    return [(event.act, event.note) for event in events]


def restricted(key: ApiKey) -> list[tuple[str, str, str]]:
    found = Restriction.objects.filter(version=key.current_id)
    return [(each.model, each.operation, each.cause) for each in found]


def counted(model: str) -> UsageBucket | None:
    return UsageBucket.objects.filter(hour=ALL_TIME, model=model).first()


@pytest.fixture
def two_models(key_at: KeyAt, make_endpoint: MakeEndpoint) -> ApiKey:
    """The endpoint ``search``: one key, gpt-5 and then gpt-4."""
    key = key_at()
    routes = [
        Route(api_key=key, model="gpt-5"),
        Route(api_key=key, model="gpt-4", kind="fallback"),
    ]
    make_endpoint("search", routes=routes)
    return key


def test_a_model_without_permission_leaves_the_others_of_the_key_usable(
    gateway: str, provider: Provider, token: str, two_models: ApiKey
) -> None:
    provider.script("gpt-5", DENIED, repeat=True)

    answers = [chat(gateway, token) for _ in range(3)]

    assert {answer.status for answer in answers} == {200}
    assert models_in(provider) == ["gpt-5", "gpt-4", "gpt-4", "gpt-4"]  # the first one knows enough
    eventually(lambda: restricted(two_models))
    key = ApiKey.objects.get()
    assert (key.refused_at, key.restricted) == (None, True)
    assert restricted(key) == [("gpt-5", "chat/completions", "not_permitted")]
    assert acts_on(key) == [
        (
            "restricted by provider",
            "gpt-5 (chat/completions): no permission (403, PermissionDenied).",
        )
    ]
    bucket = eventually(lambda: counted("gpt-5"))
    assert (bucket.requests, bucket.account_errors, bucket.client_errors) == (1, 1, 0)


def test_the_client_gets_a_safe_reason_with_its_own_status(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(DENIED)

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (403, "key_not_permitted")
    assert "(403, PermissionDenied)" in answer.json()["error"]["message"]
    assert "proj_acme" not in str(answer.body)
    assert answer.headers["x-should-retry"] == "false"


def test_a_scope_that_is_missing_is_no_401(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    """SDKs and apps take a 401 of the gateway for a wrong gateway token."""
    message = "You have insufficient permissions for this operation. Missing scopes: model.request"
    provider.next_responses(json_response({"error": {"message": message}}, 401))

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (403, "key_not_permitted")
    assert ApiKey.objects.get().refused_at is None


@pytest.mark.parametrize(
    ("status", "body"), [(403, FLAGGED), (400, {"error": {"code": "content_filter"}})]
)
def test_moderation_is_between_the_client_and_the_provider(
    gateway: str, provider: Provider, token: str, two_models: ApiKey, status: int, body: Any
) -> None:
    provider.next_responses(json_response(body, status))

    answer = chat(gateway, token)

    assert (answer.status, answer.json()) == (status, body)
    assert len(provider.requests) == 1
    bucket = eventually(lambda: counted("gpt-5"))
    assert (bucket.client_errors, bucket.failures_in_a_row) == (1, 0)
    assert not restricted(two_models)


@pytest.mark.parametrize(
    ("kind", "scripted", "cause", "is_about_the_key"),
    [
        ("openai", json_response({"error": {"message": "Pay."}}, 402), "no_credit", True),
        ("openai", BROKE, "no_credit", True),
        ("anthropic", json_response({"error": CREDIT}, 400), "no_credit", True),
        ("gemini", json_response({"error": LOCATION}, 400), "location", True),
        (
            "openai",
            json_response({"error": {"code": "model_not_found"}}, 404),
            "model_missing",
            False,
        ),
        (
            "openai",
            json_response({"error": {"code": "DeploymentNotFound"}}, 404),
            "model_missing",
            False,
        ),
        ("openai", Response(status=410), "model_missing", False),
        ("openai", Response(status=403, body=b"<html>Just a moment"), "challenge", False),
    ],
)
def test_trouble_with_an_account_or_a_model_falls_back_and_is_the_operators(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    kind: str,
    scripted: Response,
    cause: str,
    is_about_the_key: bool,
) -> None:
    key, other = key_at("first", kind), key_at("second", kind)
    routes = [
        Route(api_key=key, model="first"),
        Route(api_key=other, model="second", kind="fallback"),
    ]
    make_endpoint("search", routes=routes)
    provider.script("first", scripted)

    answers = [chat(gateway, token) for _ in range(2)]

    assert {answer.status for answer in answers} == {200}
    assert models_in(provider) == ["first", "second", "second"]
    operation = "" if is_about_the_key else "chat/completions"
    model = "" if is_about_the_key else "first"
    assert eventually(lambda: restricted(key)) == [(model, operation, cause)]
    bucket = eventually(lambda: counted("first"))
    assert (bucket.account_errors, bucket.client_errors) == (1, 0)


def test_an_account_without_credit_is_asked_last_for_every_model(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key, other = key_at("first"), key_at("second")
    routes = [
        Route(api_key=key, model="a"),
        Route(api_key=key, model="b", kind="fallback", position=1),
        Route(api_key=other, model="c", kind="fallback", position=2),
    ]
    make_endpoint("search", routes=routes)
    others = [Route(api_key=key, model="b"), Route(api_key=other, model="c", kind="fallback")]
    make_endpoint("others", routes=others)
    provider.script("a", BROKE)

    assert chat(gateway, token).status == 200
    assert chat(gateway, token, "others").status == 200

    assert models_in(provider) == ["a", "c", "c"]  # what one endpoint learned, the other knows


def test_an_overloaded_model_is_asked_last_until_it_recovers(
    gateway: str,
    provider: Provider,
    token: str,
    two_models: ApiKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pauses, "TROUBLE_PAUSE", 0.3)
    provider.script("gpt-5", Response(status=529, body=b"{}"))

    answers = [chat(gateway, token) for _ in range(2)]
    sleep(0.35)
    answers += [chat(gateway, token) for _ in range(2)]

    assert {answer.status for answer in answers} == {200}
    assert models_in(provider) == ["gpt-5", "gpt-4", "gpt-4", "gpt-5", "gpt-5"]
    bucket = eventually(lambda: counted("gpt-5"))
    assert (bucket.provider_errors, bucket.client_errors) == (1, 0)
    assert not restricted(two_models)


def test_trouble_that_nothing_tries_again_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of credentials that were replaced."""
    facts = dict.fromkeys(FoundRoute.__dataclass_fields__)
    first, second = (FoundRoute(**{**facts, "version_id": uuid4(), "model": "m"}) for _ in range(2))
    paused = pauses.Pauses()
    paused.note_trouble((first.version_id,))
    assert paused.put_last([first, second], "") == [second, first]

    monkeypatch.setattr(pauses, "FORGET", -3600)

    assert paused.put_last([first, second], "") == [second, first]
    monkeypatch.setattr(pauses, "TROUBLE_PAUSE", -1)
    paused.note_trouble((first.version_id,))
    assert paused.put_last([first, second], "") == [first, second]
    assert not paused._until


def test_the_last_route_says_why_and_that_retrying_is_no_use(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(BROKE)

    answer = chat(gateway, token)

    assert (answer.status, answer.json()["error"]["message"]) == (429, "Pay.")
    assert answer.headers["x-should-retry"] == "false"
    assert "key=my-openai-key" in answer.headers["x-gatehouse-route"]


def test_a_route_is_tried_again_from_time_to_time_and_recovers(
    gateway: str,
    provider: Provider,
    token: str,
    two_models: ApiKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pauses, "TROUBLE_PAUSE", 0.3)
    provider.script("gpt-5", DENIED, DENIED)
    chat(gateway, token)
    chat(gateway, token)
    assert models_in(provider) == ["gpt-5", "gpt-4", "gpt-4"]
    eventually(lambda: restricted(two_models))

    sleep(0.35)
    chat(gateway, token)
    assert models_in(provider)[3:] == ["gpt-5", "gpt-4"]
    sleep(0.35)
    for _ in range(2):
        chat(gateway, token)

    assert models_in(provider)[5:] == ["gpt-5", "gpt-5"]
    assert restricted(two_models)  # for some minutes, so that few events are written


def test_a_restriction_ends_when_a_request_succeeds_later(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_marks, "PAUSE", 0)
    key = ApiKey.objects.get()
    provider.next_responses(DENIED, BROKE)
    chat(gateway, token), chat(gateway, token)
    eventually(lambda: len(restricted(key)) == 2)
    assert chat(gateway, token).status == 200
    assert len(restricted(key)) == 2

    Restriction.objects.update(last_at=timezone.now() - timedelta(minutes=6))

    # One of them: a request writes nothing while the write of another is in progress.
    eventually(lambda: chat(gateway, token).status == 200 and not restricted(key))
    eventually(lambda: not ApiKey.objects.get().restricted)
    assert [act for act, _ in acts_on(key)] == [
        *["restricted by provider"] * 2,
        *["served again"] * 2,
    ]


def test_however_clients_alternate_a_restriction_is_one_event(
    gateway: str,
    provider: Provider,
    token: str,
    two_models: ApiKey,
    make_endpoint: MakeEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One app calls a model that the key may use, and another one calls one that it may not."""
    monkeypatch.setattr(key_marks, "PAUSE", 0)
    make_endpoint("denied", two_models, model="gpt-5")
    make_endpoint("granted", two_models, model="gpt-4")
    provider.script("gpt-5", DENIED, Response(body=b"{}"), repeat=True)

    for _ in range(12):
        chat(gateway, token, "denied")
        chat(gateway, token, "granted")

    eventually(lambda: restricted(two_models))
    assert [act for act, _ in acts_on(two_models)] == ["restricted by provider"]


@pytest.mark.parametrize("status", [402, 403, 404, 410])
@pytest.mark.parametrize("path", ["/search/v1/admin", "/openai/v1/admin"])
def test_a_path_of_the_clients_choice_restricts_nothing(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, path: str, status: int
) -> None:
    provider.script("admin", json_response({"error": {"code": "model_not_found"}}, status))

    answer = ask(gateway, path, {"model": "search"}, token=token)

    assert answer.status == status
    bucket = eventually(lambda: counted("gpt-5-mini"))
    assert (bucket.client_errors, bucket.failures_in_a_row) == (1, 0)
    assert not ApiKey.objects.get().restricted


def test_new_credentials_are_not_restricted(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, rotate: Rotate
) -> None:
    key = ApiKey.objects.get()
    provider.next_responses(BROKE)
    chat(gateway, token)
    eventually(lambda: ApiKey.objects.get().restricted)

    rotate(key, "sk-proj-OtherMadeUp000000000000000000000000000aBcD")

    assert not ApiKey.objects.get().restricted
    assert not Restriction.objects.exists()


def test_pages_show_it_in_plain_words(
    gateway: str,
    provider: Provider,
    token: str,
    two_models: ApiKey,
    client: Client,
) -> None:
    provider.script("gpt-5", DENIED)
    chat(gateway, token)
    eventually(lambda: ApiKey.objects.get().restricted)

    of_the_key = client.get(f"/api-keys/{two_models.pk}/").content.decode()
    of_the_endpoint = client.get("/endpoints/search/").content.decode()
    listed = client.get("/endpoints/?state=degraded").content.decode()

    assert "The provider accepts this key, but refuses some requests." in of_the_key
    assert "<bdi>gpt-5 (chat/completions)</bdi>" in of_the_key
    assert "The provider returned 403, PermissionDenied." in of_the_key
    assert "Primary: no permission (the provider returned 403, PermissionDenied)" in of_the_endpoint
    assert "search" in listed
