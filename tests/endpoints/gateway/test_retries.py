"""When a client should try again: never where it cannot help, and otherwise when."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic, sleep

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from apikeys.models import ApiKey
from endpoints.gateway.http.problems import Problem
from endpoints.gateway.routing.retry_after import seconds_to_wait
from endpoints.models import Endpoint, GatewayToken, Route
from gatewayproject.demo.provider import Provider, Response, json_response
from tests.conftest import MakeEndpoint
from tests.gateway_fixtures import KeyAt

from .client import HELLO, ask, chat, eventually

Call = Callable[[str, str], Exception]


def by_openai(gateway: str, token: str) -> Exception:
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1")
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="search", messages=HELLO)
    return raised.value


def by_openai_streamed(gateway: str, token: str) -> Exception:
    client = openai.OpenAI(api_key=token, base_url=f"{gateway}/v1")
    with pytest.raises(openai.APIStatusError) as raised:
        client.responses.create(model="search", input="Hi", stream=True)
    return raised.value


def by_anthropic(gateway: str, token: str) -> Exception:
    client = anthropic.Anthropic(api_key=token, base_url=f"{gateway}/anthropic")
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(model="search", max_tokens=9, messages=HELLO)
    return raised.value


def by_google(gateway: str, token: str) -> Exception:
    client = genai.Client(
        api_key=token, vertexai=False, http_options={"base_url": f"{gateway}/gemini"}
    )
    with pytest.raises(google_errors.APIError) as raised:
        client.models.generate_content(model="search", contents="Hi")
    return raised.value


CALLS = [
    (by_openai, "openai"),
    (by_openai_streamed, "openai"),
    (by_anthropic, "anthropic"),
    (by_google, "gemini"),
]


@pytest.mark.parametrize(("call", "kind"), CALLS)
def test_one_call_with_a_refused_key_is_one_call_to_the_provider(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    call: Call,
    kind: str,
) -> None:
    make_endpoint("search", key_at("my-key", kind))
    provider.accept_keys = set()

    error = call(gateway, token)

    assert "refused this endpoint's API key" in str(error)
    assert len(provider.requests) == 1


@pytest.mark.parametrize(("call", "kind"), CALLS)
def test_a_mistyped_token_is_reported_at_once(
    gateway: str, provider: Provider, endpoint: Endpoint, call: Call, kind: str
) -> None:
    began = monotonic()

    error = call(gateway, "gh_mistyped")

    assert "This gateway token is not valid." in str(error)
    assert monotonic() - began < 3


@pytest.mark.parametrize("call", [by_openai, by_anthropic])
@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (lambda: ApiKey.objects.update(config={"api_base": "http://127.0.0.1:9"}), "is unreadable"),
        (lambda: ApiKey.objects.update(enabled=False), "is disabled or without credentials"),
        (lambda: GatewayToken.objects.update(revoked_at=datetime.now(UTC)), "was revoked"),
    ],
)
def test_what_retrying_cannot_help_is_not_retried(
    gateway: str,
    token: str,
    endpoint: Endpoint,
    call: Call,
    arrange: Callable[[], object],
    words: str,
) -> None:
    arrange()
    began = monotonic()

    error = call(gateway, token)

    assert words in str(error)
    assert error.response.headers["x-should-retry"] == "false"  # type: ignore[attr-defined]
    assert monotonic() - began < 2  # SDKs wait for half a second before they retry


def test_every_error_says_whether_and_when_to_retry() -> None:
    """A timeout and an internal error do not: the outcome is unknown."""
    unsure = {Problem.INTERNAL_ERROR, Problem.PROVIDER_ERROR_WITHHELD, Problem.PROVIDER_TIMEOUT}
    advised = {
        problem: ("x-should-retry" in problem.headers, "retry-after" in problem.headers)
        for problem in Problem
    }

    assert {problem for problem, advice in advised.items() if advice == (False, False)} == unsure
    assert (True, True) not in advised.values()
    hopeless = {problem for problem, (never, _) in advised.items() if never}
    assert {Problem.KEY_REFUSED, Problem.KEY_UNREADABLE, Problem.UNKNOWN_TOKEN} < hopeless
    assert {Problem.NO_WORKING_KEY, Problem.CANNOT_SIGN} < hopeless


def test_a_temporary_error_has_both_retry_headers(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    make_endpoint("search", key_at(url=closed_url))

    headers = chat(gateway, token).headers

    assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "1000")
    assert "x-should-retry" not in headers


@pytest.mark.parametrize(
    ("call", "header"), [(by_openai, "x-request-id"), (by_anthropic, "request-id")]
)
def test_sdks_find_the_id_of_the_request(
    gateway: str, token: str, endpoint: Endpoint, call: Call, header: str
) -> None:
    ApiKey.objects.update(enabled=False)

    error = call(gateway, token)

    assert error.request_id == error.response.headers["x-gatehouse-request-id"]  # type: ignore[attr-defined]
    assert error.response.headers[header] == error.request_id  # type: ignore[attr-defined]


# When a provider says to try again

INFO = b'{"error":{"details":[{"@type":"x/google.rpc.RetryInfo","retryDelay":"27.5s"}]}}'


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, b"", 7),
        ({"retry-after": "0.25"}, b"", 0.25),
        ({"retry-after": "soon"}, b"", 0),
        ({"retry-after": "-5"}, b"", 0),
        ({"retry-after": "1e9"}, b"", 0),
        ({"retry-after": "999999999"}, b"", 24 * 3600),
        ({"retry-after-ms": "1500", "retry-after": "9"}, b"", 1.5),
        ({"x-ms-retry-after-ms": "300"}, b"", 0.3),
        ({"x-ratelimit-reset-requests": "6m0s"}, b"", 360),
        ({"x-ratelimit-reset-tokens": "59.56s"}, b"", 59.56),
        ({"x-ratelimit-reset-tokens": "20ms"}, b"", 0.02),
        ({"x-ratelimit-reset-requests": "1h2m3s"}, b"", 3723),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "9",
                "x-ratelimit-reset-tokens": "6s",
                "x-ratelimit-remaining-tokens": "0",
            },
            b"",
            6,
        ),
        ({"x-ratelimit-reset-requests": "2m59s", "x-ratelimit-reset-tokens": "7s"}, b"", 7),
        ({"ratelimit-reset": "12"}, b"", 12),
        ({"x-ratelimit-reset-requests": "never"}, b"", 0),
        ({"x-ratelimit-remaining-requests": "0"}, b"", 0),
        ({}, INFO, 27.5),
        ({"retry-after": "3"}, INFO, 3),
        ({}, b'{"retryDelay":"s"}', 0),
        ({}, b"", 0),
    ],
)
def test_every_spelling_of_a_pause_is_read(
    headers: dict[str, str], body: bytes, seconds: float
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    assert seconds_to_wait(raw, body) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("retry-after", lambda moment: format_datetime(moment, usegmt=True)),
        ("x-ratelimit-reset", lambda moment: str(int(moment.timestamp()))),
        ("x-ratelimit-reset", lambda moment: str(int(moment.timestamp() * 1000))),
        ("anthropic-ratelimit-tokens-reset", datetime.isoformat),
    ],
)
def test_a_pause_may_end_at_a_time(name: str, written: Callable[[datetime], str]) -> None:
    def seconds(minutes: int) -> float:
        text = written(datetime.now(UTC) + timedelta(minutes=minutes))
        return seconds_to_wait([(name.encode(), text.encode())])

    assert seconds(60) == pytest.approx(3600, abs=5)
    assert seconds(-60) == 0


def models_in(provider: Provider) -> list[bytes]:
    return [
        request.body.partition(b'"model": "')[2].partition(b'"')[0] for request in provider.requests
    ]


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (429, {"retry-after": "0.6"}, b"{}"),
        (503, {"retry-after-ms": "600"}, b"{}"),
        (529, {"retry-after": "0.6"}, b"{}"),
        (429, {"x-ratelimit-reset-requests": "600ms"}, b"{}"),
        (429, {}, INFO.replace(b"27.5s", b"0.6s")),
    ],
)
def test_a_key_and_model_that_asked_for_a_pause_are_tried_last_everywhere(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    other_key: ApiKey,
    make_endpoint: MakeEndpoint,
    status: int,
    headers: dict[str, str],
    body: bytes,
) -> None:
    """Also by another endpoint of the process; another model of the key goes on."""
    key = key_at()
    for name, model in (("search", "gpt-5"), ("again", "gpt-5"), ("other", "gpt-4")):
        routes = [
            Route(api_key=key, model=model),
            Route(api_key=other_key, model="b", kind="fallback"),
        ]
        make_endpoint(name, routes=routes)
    provider.script("gpt-5", Response(status=status, headers=headers, body=body))

    assert chat(gateway, token).status == 200
    assert chat(gateway, token, "again").status == 200
    assert chat(gateway, token, "other").status == 200
    sleep(0.7)
    assert chat(gateway, token, "again").status == 200

    assert models_in(provider) == [b"gpt-5", b"b", b"b", b"gpt-4", b"gpt-5"]


def test_a_rate_limit_is_passed_on_with_the_spelling_that_sdks_read(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(Response(status=429, body=INFO))

    answer = chat(gateway, token)

    assert (answer.status, answer.body) == (429, INFO)
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("28", "27500")
    assert "x-should-retry" not in answer.headers


def test_a_providers_own_advice_is_not_changed(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    own = {"retry-after": "7.5", "retry-after-ms": "7500", "x-should-retry": "true"}
    provider.next_responses(Response(status=429, headers=own, body=b"{}"))

    headers = chat(gateway, token).headers

    assert {name: headers[name] for name in own} == own


@pytest.mark.parametrize("second", ["dead", "refused", "fail-500"])
def test_a_pause_is_not_lost_behind_a_later_failure(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    other_key: ApiKey,
    make_endpoint: MakeEndpoint,
    second: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    fallback = key_at("dead", url=closed_url) if second == "dead" else other_key
    model = "fail-401" if second == "refused" else second
    routes = [
        Route(api_key=key_at(), model="gpt-5"),
        Route(api_key=fallback, model=model, kind="fallback"),
    ]
    make_endpoint("search", routes=routes)
    limited = json_response(
        {"error": {"message": "Slow down."}}, 429, headers=(("retry-after", "7"),)
    )
    provider.script("gpt-5", limited)

    answer = chat(gateway, token)

    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["message"] == "Slow down."
    assert "key=my-openai-key" in answer.headers["x-gatehouse-route"]


def test_the_shorter_of_two_pauses_is_passed_on(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    key = key_at()
    routes = [Route(api_key=key, model="a"), Route(api_key=key, model="b", kind="fallback")]
    make_endpoint("search", routes=routes)
    for model, pause in (("a", "3"), ("b", "8")):
        provider.script(model, Response(status=429, headers={"retry-after": pause}, body=b"{}"))

    assert chat(gateway, token).headers["retry-after"] == "3"


def test_an_operation_that_a_provider_lacks_is_asked_of_the_next(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    """A 404 without a known code restricts nothing: the client chose the operation."""
    key = key_at()
    routes = [Route(api_key=key, model="a"), Route(api_key=key, model="b", kind="fallback")]
    make_endpoint("search", routes=routes)
    provider.script("a", Response(status=404, body=b"Not found"), repeat=True)

    answer = ask(gateway, "/v1/responses", {"model": "search", "input": "Hi"}, token=token)

    assert answer.status == 200
    eventually(lambda: len(provider.requests) == 2)
    assert not ApiKey.objects.get().restricted


@pytest.mark.parametrize("base", ["", "/v1"])
def test_a_base_url_without_the_gateways_path_is_named_by_every_sdk(
    gateway: str, token: str, base: str
) -> None:
    url = gateway.removesuffix("/gateway")
    by_openai = openai.OpenAI(api_key=token, base_url=url + base)
    by_anthropic = anthropic.Anthropic(api_key=token, base_url=url + base)
    options = {"base_url": url + base}
    by_google = genai.Client(api_key=token, vertexai=False, http_options=options)

    for call in (
        lambda: by_openai.chat.completions.create(model="search", messages=HELLO),
        lambda: by_anthropic.messages.create(model="search", messages=HELLO, max_tokens=9),
        lambda: by_google.models.generate_content(model="search", contents="Hi"),
    ):
        with pytest.raises(Exception, match=f"The gateway is at {gateway}/v1"):
            call()
