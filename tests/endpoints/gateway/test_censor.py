"""A provider that repeats the key: the caller does not see it, wherever it stands."""

import gzip
import json
import zlib
from collections.abc import Sequence

import pytest

from apikeys.models import ApiKey, AuthScheme
from apikeys.sealing import Secrets
from endpoints.gateway.routing.error_responses import CUT_OFF, MAX_ERROR
from endpoints.gateway.upstream.censor import (
    StreamCensor,
    hides_any,
    longest_spelling,
    secret_strings,
    without,
)
from endpoints.models import Endpoint
from gatewayproject.demo.provider import Provider, Response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import ask, chat
from .event_loops import run

KEY = OPENAI_KEY.encode()
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in OPENAI_KEY)
OF_THE_KEY = "wJalrXUtnFEMI-made-up"


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
    provider.next_responses(Response(status=400, body=body))

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
    assert run(hides_any(text, [secret]))
    assert not run(hides_any(text, [b"another/one"]))


@pytest.mark.parametrize("status", [200, 400])
def test_a_whole_answer_has_it_taken_out(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, status: int
) -> None:
    body = json.dumps({"you sent": f"Bearer {OPENAI_KEY}", "usage": None}).encode()
    provider.next_responses(
        Response(status=status, headers={"content-type": "application/json"}, body=body)
    )

    answer = chat(gateway, token)

    assert answer.status == status
    assert answer.body == body.replace(KEY, b"[removed]")


def test_a_stream_has_it_taken_out(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    event = f'data: {{"error":"{OPENAI_KEY} is no good"}}\n\n'.encode()
    provider.next_responses(
        Response(headers={"content-type": "text/event-stream"}, chunks=[b"data: {}\n\n", event])
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


def test_parts_of_a_secret_are_passed_on() -> None:
    chunks = [KEY[:5], KEY[:9], b"", KEY[1:], b"and so on", KEY[:3]]

    assert in_a_stream(*chunks) == b"".join(chunks)
    assert without(KEY[1:], [KEY]) == KEY[1:]


def test_a_secret_that_begins_with_another_is_taken_out_whole() -> None:
    secrets = secret_strings({"token": "AAAAAAA1", "both": "AAAAAAA1.rest-of-it"})

    assert without(b"AAAAAAA1.rest-of-it AAAAAAA1", secrets) == b"[removed] [removed]"


@pytest.mark.parametrize("header", ["Token wJalrXUtnF", "id=1;sig=wJalrXUtnF", "wJalrXUtnF"])
def test_each_part_of_a_header_of_its_own_is_looked_for(header: str) -> None:
    secrets = secret_strings({"extra_headers": f"X-Extra: {header}"})

    assert without(b"Wrong: wJalrXUtnF", secrets) == b"Wrong: [removed]"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Anthropic-Version", "OpenAI-Beta"])
def test_what_is_no_secret_of_its_headers_stays_in_answers(name: str) -> None:
    secrets = secret_strings({"extra_headers": f"{name}: application/json"})

    assert without(b"Send application/json.", secrets) == b"Send application/json."


@pytest.mark.parametrize(
    "header",
    [
        "X-Environment: production",
        "X-Title: Customer Support Bot",
        "X-App: assistant",
        "X-Mode: completion",
        "X-Kind: application",
        "X-Team: search-engineering",
        "X-Region: us-east-1",
        "HTTP-Referer: https://example.com",
    ],
)
def test_an_ordinary_header_of_the_keys_own_stays_in_whole_responses_and_streams(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    header: str,
) -> None:
    make_endpoint("search", with_own_header(key_at, header))
    said = {"role": "assistant", "object": "chat.completion.chunk", "content": header}
    event = f"data: {json.dumps(said)}\n\n".encode()
    json_type = {"content-type": "application/json"}
    provider.next_responses(
        Response(headers=json_type, body=event),
        Response(headers={"content-type": "text/event-stream"}, chunks=[event]),
    )

    whole, stream = chat(gateway, token), chat(gateway, token)

    assert whole.headers["content-type"] == "application/json"
    assert (whole.body, stream.body) == (event, event)


def test_a_secret_in_an_error_that_was_compressed_twice_is_removed(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    body = gzip.compress(gzip.compress(KEY))
    head = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
    provider.next_responses(Response(status=400, headers=head, body=body))

    assert chat(gateway, token).body == b"[removed]"


def wide(text: bytes) -> bytes:
    return text.decode().encode("utf-16-le")


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
@pytest.mark.parametrize(
    "spelled", [KEY, ESCAPED.encode(), wide(KEY)], ids=["plain", "json", "wide"]
)
@pytest.mark.parametrize("cut", [1, 2, len(KEY) // 2, len(KEY) - 1])
def test_an_error_that_is_cut_does_not_show_the_beginning_of_it(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    encoding: str,
    spelled: bytes,
    cut: int,
) -> None:
    """However much is read of it, the last letters of the key are what is missing."""
    shown = spelled[: len(spelled) // len(KEY) * (len(KEY) - cut)]
    limit = MAX_ERROR + longest_spelling([KEY])
    for size in (MAX_ERROR, limit):
        body = b"x" * (size - len(shown)) + spelled
        pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, bytes)
        headers = {"content-encoding": encoding} if encoding else {}
        provider.next_responses(Response(status=400, headers=headers, body=pack(body)))

        answer = chat(gateway, token)

        assert b"xxx" in answer.body or answer.code == "provider_error_withheld"
        assert KEY[:8] not in answer.body.replace(b"\0", b"")
        assert ESCAPED[:48].encode() not in answer.body
        assert len(answer.body) <= MAX_ERROR + len(CUT_OFF)


def test_a_shortened_error_is_marked(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(Response(status=400, body=b"x" * (MAX_ERROR + 1)))

    assert chat(gateway, token).body == b"x" * MAX_ERROR + CUT_OFF


def test_an_error_of_the_largest_size_is_passed_on_whole(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    provider.next_responses(Response(status=400, body=b"x" * MAX_ERROR))

    assert chat(gateway, token).body == b"x" * MAX_ERROR


def test_a_compressed_error_that_ends_early_does_not_show_the_beginning_of_it(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    """Nor does one of two parts, of which only the first is read."""
    packed = zlib.compressobj(wbits=31)
    halves = [packed.compress(KEY[:-1]) + packed.flush(zlib.Z_SYNC_FLUSH)]
    halves.append(gzip.compress(KEY[:-1]) + gzip.compress(KEY[-1:]))
    for body in halves:
        provider.next_responses(
            Response(status=400, headers={"content-encoding": "gzip"}, body=body)
        )

        assert chat(gateway, token).body == CUT_OFF


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "name", [f"X-{OPENAI_KEY}", f"X-{OPENAI_KEY.upper()}", "X-" + "a" * 160 + OPENAI_KEY]
)
def test_a_header_whose_name_repeats_it_is_dropped(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, status: int, name: str
) -> None:
    provider.next_responses(
        Response(status=status, headers={name: "1", "X-Other": "2"}, body=b"{}")
    )

    answer = chat(gateway, token)

    assert answer.headers["x-other"] == "2"
    assert OPENAI_KEY[:12].lower() not in str(answer.headers).lower()


def test_a_header_of_the_keys_own_is_as_secret(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
) -> None:
    make_endpoint("search", with_own_header(key_at))
    provider.next_responses(Response(status=400, body=f"x-gate was {OF_THE_KEY}".encode()))

    assert chat(gateway, token).body == b"x-gate was [removed]"


def test_a_header_of_the_key_replaces_the_clients(
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


def with_own_header(key_at: KeyAt, header: str = f"X-Gate: {OF_THE_KEY}") -> ApiKey:
    """Return a key of a scheme with headers of the operator's choice."""
    scheme = next(
        scheme
        for scheme in AuthScheme.objects.select_related("provider")
        if any(spec.name == "extra_headers" for spec in scheme.secret_specs)
    )
    secrets = Secrets(api_key=OPENAI_KEY, extra_headers=header)
    return key_at("my-own-key", scheme.provider.slug, scheme=scheme.slug, secrets=secrets)
