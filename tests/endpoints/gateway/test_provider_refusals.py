"""A key that its provider refuses: noted once, kept to ourselves, and another one tried."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from apikeys.models import ApiKey
from endpoints.gateway.routing import key_marks
from endpoints.models import Endpoint, Route
from gatewayproject.accounts.models import AuditEvent
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import OTHER_KEY, KeyAt, Rotate

from .client import Answered, ask, chat, eventually


def acts_on(key: ApiKey) -> list[str]:
    """Return what the gateway did with a key, oldest first."""
    events = AuditEvent.objects.about(key).filter(channel="gateway").order_by("id")
    return [event.act for event in events]


def is_refused(key: ApiKey) -> bool:
    return ApiKey.objects.get(pk=key.pk).refused_at is not None


def shows(answer: Answered, secret: str) -> bool:
    return secret.encode() in answer.body or secret in str(answer.headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_key_is_recorded_once_and_the_client_gets_no_details(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    stream: bool,
) -> None:
    key = key_at()
    make_endpoint("search", key, model="fail-401")

    answers = [chat(gateway, token, stream=stream) for _ in range(3)]

    assert [(answer.status, answer.code) for answer in answers] == [(424, "key_refused")] * 3
    assert not any(shows(answer, OPENAI_KEY) for answer in answers)
    eventually(lambda: is_refused(key))
    assert len(provider.requests) == 3
    assert acts_on(key) == ["refused by provider"]
    [event] = AuditEvent.objects.about(key).filter(act="refused by provider")
    assert (event.actor, event.note) == ("gateway", "The provider returned 401, invalid_api_key.")


def test_a_route_with_another_key_serves_instead(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    other_key: ApiKey,
    make_endpoint: MakeEndpoint,
) -> None:
    key = key_at()
    make_endpoint(
        "search",
        routes=[
            Route(api_key=key, model="gpt-5"),
            Route(api_key=key, model="gpt-4", kind="fallback"),
            Route(api_key=other_key, model="gpt-3", kind="fallback"),
        ],
    )
    provider.accept_keys = {OTHER_KEY}

    answer = chat(gateway, token)

    assert (answer.status, answer.json()["model"]) == (200, "gpt-3")
    assert "key=my-other-key" in answer.headers["x-gatehouse-route"]
    assert len(provider.requests) == 2  # the refused key is not tried again on its other route
    eventually(lambda: is_refused(key))
    assert not is_refused(other_key)


def test_a_key_that_is_accepted_again_is_good_again(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = key_at()
    make_endpoint("search", key)
    provider.accept_keys = set()
    chat(gateway, token)
    eventually(lambda: is_refused(key))
    provider.accept_keys = None

    assert [chat(gateway, token).status for _ in range(3)] == [200, 200, 200]
    assert is_refused(key)  # for some minutes, so that few events are written if it alternates

    long_ago = timezone.now() - timedelta(minutes=6)
    ApiKey.objects.update(refused_at=long_ago, refusal_seen_at=timezone.now())
    assert [chat(gateway, token).status for _ in range(3)] == [200, 200, 200]
    assert is_refused(key)

    ApiKey.objects.update(refusal_seen_at=long_ago)
    monkeypatch.setattr(key_marks, "PAUSE", 0)
    assert [chat(gateway, token).status for _ in range(3)] == [200, 200, 200]
    eventually(lambda: not is_refused(key))
    assert acts_on(key) == ["refused by provider", "accepted again"]


def test_an_error_that_one_client_can_cause_is_logged_once(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    key = ApiKey.objects.get()
    for _ in range(10):
        provider.next_responses(Response(status=401, body=b"{}"))
        assert chat(gateway, token).code == "key_refused"
        assert chat(gateway, token).status == 200

    eventually(lambda: is_refused(key))
    assert acts_on(key) == ["refused by provider"]


@pytest.mark.parametrize(("status", "code"), [(401, "key_refused"), (403, "key_not_permitted")])
@pytest.mark.parametrize(
    "path", ["/search/v1/organization/users", "/openai/v1/organization/users", "/search/users"]
)
def test_a_path_of_the_clients_choice_does_not_mark_the_key(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    status: int,
    code: str,
) -> None:
    """Any client could call one that the provider serves to no such key."""
    provider.script("users", Response(status=status, body=b"{}"), repeat=True)
    for _ in range(3):
        assert ask(gateway, path, {"model": "search"}, token=token).code == code

    if status == 401:  # the key's own test has shown that it is good
        eventually(lambda: "/v1/models" in [request.target for request in provider.requests])
    key = ApiKey.objects.get()
    assert chat(gateway, token).status == 200
    assert (key.refused_at, key.restricted, acts_on(key)) == (None, False, [])


@pytest.mark.parametrize(("status", "code"), [(401, "key_refused"), (403, "key_not_permitted")])
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"OpenAI-Organization": "org-unknown"}),
        ("", {"X-Goog-User-Project": "unknown"}),
        ("", {"Ocp-Apim-Subscription-Key": "unknown"}),
        ("?access%5Ftoken=unknown", {}),
    ],
)
def test_an_account_of_the_clients_choice_does_not_mark_the_key(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    query: str,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    """Providers refuse an unknown account beside a good key with 401 or 403."""
    provider.script("gpt-5-mini", Response(status=status, body=b"{}"))
    body = {"model": "search", "messages": []}

    answer = ask(gateway, f"/v1/chat/completions{query}", body, token=token, headers=headers)

    assert answer.code == code
    if status == 401:  # the key's own test has shown that it is good
        eventually(lambda: "/v1/models" in [request.target for request in provider.requests])
    assert chat(gateway, token).status == 200
    key = ApiKey.objects.get()
    assert (key.refused_at, key.restricted, acts_on(key)) == (None, False, [])


def test_a_key_is_marked_if_its_own_test_agrees_with_a_path_of_the_clients_choice(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    """Apps that use native paths alone, such as boto3, do not leave a revoked key unmarked."""
    provider.script("models", Response(status=401, body=b"{}"), repeat=True)
    provider.script("voices", Response(status=401, body=b"{}"), repeat=True)

    answers = [ask(gateway, "/search/v1/voices", b"{}", token=token) for _ in range(3)]

    assert {answer.code for answer in answers} == {"key_refused"}
    key = ApiKey.objects.get()
    eventually(lambda: is_refused(key))
    assert acts_on(key) == ["refused by provider"]
    assert [r.target for r in provider.requests].count("/v1/models") == 1


def test_a_refusal_that_is_known_costs_no_further_write(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = ApiKey.objects.get()
    provider.accept_keys = set()
    chat(gateway, token)
    eventually(lambda: is_refused(key))
    written: list[object] = []
    monkeypatch.setattr(key_marks, "mark_refused", lambda *args, **facts: written.append(args))

    answers = [chat(gateway, token).code for _ in range(3)]

    assert (answers, written) == (["key_refused"] * 3, [])


def test_a_mark_that_cannot_be_written_is_learned_again(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def locked(*args: object, **kwargs: object) -> None:
        raise OperationalError("database is locked")

    key = ApiKey.objects.get()
    provider.accept_keys = set()
    with monkeypatch.context() as patch:
        patch.setattr(key_marks, "mark_refused", locked)
        assert chat(gateway, token).code == "key_refused"
        eventually(lambda: "refused or accepted a key: OperationalError" in caplog.text)

    assert chat(gateway, token).code == "key_refused"
    eventually(lambda: is_refused(key))


QUOTED = b'{"error":{"code":400,"message":"Bad temperature: API_KEY_INVALID","details":[]}}'
API_KEY_INVALID = b'{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}]}}'


@pytest.mark.parametrize(
    ("kind", "body", "is_blamed"),
    [
        ("gemini", API_KEY_INVALID, True),
        ("gemini", b"[" + API_KEY_INVALID + b"]", True),
        ("gemini", QUOTED, False),
        ("gemini", b"API_KEY_INVALID", False),
        ("openai", API_KEY_INVALID, False),
    ],
)
def test_only_what_google_says_in_its_place_is_googles_refusal(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    kind: str,
    body: bytes,
    is_blamed: bool,
) -> None:
    make_endpoint("search", key_at("my-key", kind))
    provider.next_responses(Response(status=400, body=body))

    answer = chat(gateway, token)

    assert (answer.status, b"key_refused" in answer.body) == (424 if is_blamed else 400, is_blamed)


def test_credentials_replaced_concurrently_are_not_marked(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    rotate: Rotate,
) -> None:
    key = key_at()
    make_endpoint("search", key)
    provider.accept_keys = {OTHER_KEY}
    chat(gateway, token)
    eventually(lambda: is_refused(key))

    rotate(key, OTHER_KEY)
    answer = chat(gateway, token)

    assert answer.status == 200
    assert not is_refused(key)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/search/v1/models", b""),
        ("/v1/responses", {"model": "search", "input": "Hi"}),
        ("/search/mlflow/invocations", {"input": "Hi"}),
    ],
)
def test_no_entry_point_repeats_a_refused_key(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    body: object,
) -> None:
    provider.accept_keys = set()

    answer = ask(gateway, path, body, token=token, method="POST" if body else "GET")

    assert (answer.status, answer.code) == (424, "key_refused")
    assert not shows(answer, OPENAI_KEY)


def test_the_message_of_any_other_error_loses_the_key_that_it_repeats(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(
        Response(
            status=400,
            headers={"x-echo": f"Bearer {OPENAI_KEY}", "x-fine": "yes"},
            body=b'{"error": {"message": "Bad key %b!"}}' % OPENAI_KEY.encode(),
        )
    )

    answer = chat(gateway, token)

    assert answer.json() == {"error": {"message": "Bad key [removed]!"}}
    assert "x-echo" not in answer.headers
    assert answer.headers["x-fine"] == "yes"
