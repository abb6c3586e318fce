"""A provider that repeats the key: the caller does not see it, wherever it stands."""

import gzip
import json
from collections.abc import Sequence

import pytest

from apikeys.models import ApiKey, AuthScheme
from apikeys.sealing import Secrets
from endpoints.gateway.censor import StreamCensor, hides_any, texts_of, without
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Answer, Provider
from tests.conftest import MakeEndpoint
from tests.made_up import OPENAI_KEY

from .asking import ask, chat
from .conftest import KeyAt

KEY = OPENAI_KEY.encode()
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in OPENAI_KEY)
OF_THE_KEY = "made-up-secret-of-a-header"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"error":"{ESCAPED}"}}'.encode(),
        json.dumps({"error": OPENAI_KEY}).encode("utf-16"),
    ],
)
def test_an_error_that_repeats_it_in_disguise_is_not_shown(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, body: bytes
) -> None:
    provider.next_answers(Answer(status=400, body=body))

    answer = chat(gateway, token)

    assert (answer.status, answer.code) == (502, "provider_error_withheld")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (rb'{"error":"wJalr\/K7MDENG"}', b"wJalr/K7MDENG"),
        (rb'{"error":"sk-\"quoted\""}', b'sk-"quoted"'),
        (rb'{"error":"{\"key\":\"ab\\/cd\\u002bef\"}"}', b"ab/cd+ef"),
    ],
)
def test_what_json_has_escaped_hides_nothing(text: bytes, secret: bytes) -> None:
    assert hides_any(text, [secret])
    assert not hides_any(text, [b"another/one"])


@pytest.mark.parametrize("status", [200, 400])
def test_a_whole_answer_has_it_taken_out(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, status: int
) -> None:
    body = json.dumps({"you sent": f"Bearer {OPENAI_KEY}", "usage": None}).encode()
    provider.next_answers(
        Answer(status=status, headers={"content-type": "application/json"}, body=body)
    )

    answer = chat(gateway, token)

    assert answer.status == status
    assert answer.body == body.replace(KEY, b"[removed]")


def test_a_stream_has_it_taken_out(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    event = f'data: {{"error":"{OPENAI_KEY} is no good"}}\n\n'.encode()
    provider.next_answers(
        Answer(headers={"content-type": "text/event-stream"}, chunks=[b"data: {}\n\n", event])
    )

    answer = chat(gateway, token, stream=True)

    assert answer.status == 200
    assert answer.body == b"data: {}\n\n" + event.replace(KEY, b"[removed]")


def in_a_stream(*chunks: bytes, secrets: Sequence[bytes] = (KEY,)) -> bytes:
    censor = StreamCensor(secrets)
    return b"".join(map(censor.pass_on, chunks)) + censor.rest()


@pytest.mark.parametrize("size", [1, 2, 7, len(KEY) - 1, len(KEY), 1000])
def test_a_stream_has_it_taken_out_however_it_is_cut(size: int) -> None:
    text = b"s" + KEY[:9] + b" and " + KEY + b" and s" + KEY + b"sk-"
    chunks = [text[start : start + size] for start in range(0, len(text), size)]

    assert in_a_stream(*chunks) == text.replace(KEY, b"[removed]")


def test_nothing_of_it_is_given_away_before_it_is_whole() -> None:
    censor = StreamCensor([b"another secret", KEY])

    assert censor.pass_on(b"It is " + KEY[:-1]) == b"It is "
    assert censor.pass_on(KEY[-1:] + b".") == b"[removed]."


def test_an_event_that_is_whole_is_not_held_back() -> None:
    censor = StreamCensor([KEY])
    event = b"data: " + KEY[:20] + b"\n\n"

    assert censor.pass_on(event) == event


def test_what_only_looks_alike_passes() -> None:
    chunks = [KEY[:5], KEY[:9], b"", KEY[1:], b"and so on", KEY[:3]]

    assert in_a_stream(*chunks) == b"".join(chunks)
    assert without(KEY[1:], [KEY]) == KEY[1:]


def test_a_secret_that_begins_with_another_is_taken_out_whole() -> None:
    secrets = texts_of({"token": "AAAAAAAA", "both": "AAAAAAAA.rest-of-it"})

    assert without(b"AAAAAAAA.rest-of-it AAAAAAAA", secrets) == b"[removed] [removed]"


@pytest.mark.parametrize("header", ["Token s3cret-value", "id=1;sig=s3cret-value", "s3cret-value"])
def test_each_part_of_a_header_of_its_own_is_looked_for(header: str) -> None:
    secrets = texts_of({"extra_headers": f"X-Extra: {header}"})

    assert without(b"Wrong: s3cret-value", secrets) == b"Wrong: [removed]"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Anthropic-Version", "OpenAI-Beta"])
def test_what_is_no_secret_of_its_headers_stays_in_answers(name: str) -> None:
    secrets = texts_of({"extra_headers": f"{name}: application/json"})

    assert without(b"Send application/json.", secrets) == b"Send application/json."


def test_an_error_that_was_compressed_twice_is_not_shown(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    body = gzip.compress(gzip.compress(KEY))
    head = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
    provider.next_answers(Answer(status=400, headers=head, body=body))

    assert chat(gateway, token).body == b""


def test_a_header_of_the_keys_own_is_as_secret(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", with_own_header(key_at))
    provider.next_answers(Answer(status=400, body=f"x-gate was {OF_THE_KEY}".encode()))

    assert chat(gateway, token).body == b"x-gate was [removed]"


def test_a_header_of_the_keys_own_takes_the_place_of_the_callers(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", with_own_header(key_at))

    ask(gateway, "/search/v1/models", token=token, method="GET", headers={"X-Gate": "the caller's"})

    [request] = provider.requests
    values = [value for name, value in request.headers if name.lower() == "x-gate"]
    assert values == [OF_THE_KEY]


def with_own_header(key_at: KeyAt) -> ApiKey:
    """Return a key of a scheme with headers of the operator's choice."""
    scheme = next(
        scheme
        for scheme in AuthScheme.objects.select_related("provider")
        if any(spec.name == "extra_headers" for spec in scheme.secret_specs)
    )
    secrets = Secrets(api_key=OPENAI_KEY, extra_headers=f"X-Gate: {OF_THE_KEY}")
    return key_at("my-own-key", scheme.provider.slug, scheme=scheme.slug, secrets=secrets)
