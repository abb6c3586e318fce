"""A key that its provider refuses: noted once, kept to ourselves, and another one tried."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from apikeys.models import ApiKey, Event
from endpoints.gateway import relay
from endpoints.models import Endpoint, Route
from gatewayproject.demo.provider import Answer, Provider
from tests.conftest import MakeEndpoint
from tests.made_up import OPENAI_KEY

from .asking import Answered, ask, chat, eventually
from .conftest import OTHER_KEY, KeyAt, Rotate


def acts_on(key: ApiKey) -> list[str]:
    """Return what the gateway did with a key, oldest first."""
    events = Event.objects.about(key).filter(channel="gateway").order_by("id")
    return [event.act for event in events]


def is_refused(key: ApiKey) -> bool:
    return ApiKey.objects.get(pk=key.pk).refused_at is not None


def shows(answer: Answered, secret: str) -> bool:
    return secret.encode() in answer.body or secret in str(answer.headers)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_key_is_noted_once_and_the_caller_learns_no_more(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    status: int,
    stream: bool,
) -> None:
    key = key_at()
    make_endpoint("search", key, model=f"fail-{status}")

    answers = [chat(gateway, token, stream=stream) for _ in range(3)]

    assert [(answer.status, answer.code) for answer in answers] == [(503, "key_refused")] * 3
    assert not any(shows(answer, OPENAI_KEY) for answer in answers)
    eventually(lambda: is_refused(key))
    assert len(provider.requests) == 3
    assert acts_on(key) == ["refused by provider"]
    [event] = Event.objects.about(key).filter(act="refused by provider")
    assert (event.actor, event.note) == ("gateway", f"The provider answered {status}.")


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
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    make_endpoint("search", key)
    provider.accept_keys = set()
    chat(gateway, token)
    eventually(lambda: is_refused(key))
    provider.accept_keys = None

    assert [chat(gateway, token).status for _ in range(3)] == [200, 200, 200]
    assert is_refused(key)  # for a minute: who may use one half of an API would write on and on

    ApiKey.objects.update(refused_at=timezone.now() - timedelta(seconds=61))
    assert [chat(gateway, token).status for _ in range(3)] == [200, 200, 200]
    eventually(lambda: not is_refused(key))
    assert acts_on(key) == ["refused by provider", "accepted again"]


def test_what_one_caller_can_provoke_is_written_once(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    key = ApiKey.objects.get()
    for _ in range(10):
        provider.next_answers(Answer(status=403, body=b"{}"))
        assert chat(gateway, token).code == "key_refused"
        assert chat(gateway, token).status == 200

    eventually(lambda: is_refused(key))
    assert acts_on(key) == ["refused by provider"]


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
    monkeypatch.setattr(relay, "mark_refused", lambda *args, **facts: written.append(args))

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
        patch.setattr(relay, "mark_refused", locked)
        assert chat(gateway, token).code == "key_refused"
        eventually(lambda: "is lost: OperationalError" in caplog.text)

    assert chat(gateway, token).code == "key_refused"
    eventually(lambda: is_refused(key))


QUOTED = b'{"error":{"code":400,"message":"Bad temperature: API_KEY_INVALID","details":[]}}'
TOLD = b'{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}]}}'


@pytest.mark.parametrize(
    ("kind", "body", "is_blamed"),
    [
        ("gemini", TOLD, True),
        ("gemini", b"[" + TOLD + b"]", True),
        ("gemini", QUOTED, False),
        ("gemini", b"API_KEY_INVALID", False),
        ("openai", TOLD, False),
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
    provider.next_answers(Answer(status=400, body=body))

    answer = chat(gateway, token)

    assert (answer.status, b"key_refused" in answer.body) == (503 if is_blamed else 400, is_blamed)


def test_credentials_that_were_replaced_meanwhile_are_not_blamed(
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
def test_every_way_in_keeps_a_refused_key_to_itself(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    path: str,
    body: object,
) -> None:
    provider.accept_keys = set()

    answer = ask(gateway, path, body, token=token, method="POST" if body else "GET")

    assert (answer.status, answer.code) == (503, "key_refused")
    assert not shows(answer, OPENAI_KEY)


def test_the_message_of_any_other_error_loses_the_key_that_it_repeats(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_answers(
        Answer(
            status=400,
            headers={"x-echo": f"Bearer {OPENAI_KEY}", "x-fine": "yes"},
            body=b'{"error": {"message": "Bad key %b!"}}' % OPENAI_KEY.encode(),
        )
    )

    answer = chat(gateway, token)

    assert answer.json() == {"error": {"message": "Bad key [removed]!"}}
    assert "x-echo" not in answer.headers
    assert answer.headers["x-fine"] == "yes"
