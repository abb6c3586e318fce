"""Forms with files: the part "model" names the endpoint, and the rest passes as it arrives."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints.gateway.http import uploads
from endpoints.gateway.http.form_body import FormScanner, boundary_of
from endpoints.models import Endpoint
from gatewayproject.asgi import _gateways
from gatewayproject.demo.provider import Provider, Response, json_response
from tests.conftest import MakeEndpoint
from tests.fakes import OPENAI_KEY
from tests.gateway_fixtures import KeyAt

from .client import ask, chat, compared, credentials_in, dial, eventually, mentions, read_to_the_end

MB = 1024 * 1024
BOUNDARY = "made-up-boundary"
AUDIO = "/v1/audio/transcriptions"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = part(
    "file", b"\x00\xffRIFF\r\n--made-up\r\n", '; filename="a.wav"\r\nContent-Type: audio/wav'
)


def without_boundary(body: bytes, content_type: str) -> bytes:
    return body.replace(boundary_of(content_type), b"BOUNDARY")


# OpenAI's SDK


def transcription(client: openai.OpenAI, model: str) -> object:
    return client.audio.transcriptions.create(model=model, file=("a.wav", b"RIFF\x00\xff"))


def edit(client: openai.OpenAI, model: str) -> object:
    images = [("a.png", b"\x89PNG-a"), ("b.png", b"\x89PNG-b")]
    return client.images.edit(model=model, image=images, prompt="Both", mask=("m.png", b"\x89PNG"))


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
@pytest.mark.parametrize(("act", "target"), [(transcription, AUDIO), (edit, "/v1/images/edits")])
def test_openais_sdk_names_the_endpoint_in_a_form(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    base: str,
    act: Any,
    target: str,
) -> None:
    provider.script(target, json_response({"text": "Hi"}), repeat=True)
    act(openai.OpenAI(api_key=OPENAI_KEY, base_url=f"{provider.url}/v1"), "gpt-5-mini")

    act(openai.OpenAI(api_key=token, base_url=gateway + base, max_retries=0), "search")

    there, here = provider.requests
    types = [{n.lower(): v for n, v in each.headers}["content-type"] for each in (there, here)]
    assert here.target == target
    assert without_boundary(here.body, types[1]) == without_boundary(there.body, types[0])
    assert credentials_in(here) == [("authorization", f"Bearer {OPENAI_KEY}")]
    assert not mentions(here, token)
    lengths = [[v for n, v in compared(each)[2] if n == "content-length"] for each in (there, here)]
    assert lengths[0] == lengths[1]


# The model


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("quotes", ['"', ""])
@pytest.mark.parametrize("size", [0, 2 * uploads.HELD])
def test_only_the_value_of_the_model_is_replaced(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    first: bool,
    quotes: str,
    size: int,
) -> None:
    model = part("model", b"search").replace(b'"model"', f"{quotes}model{quotes}".encode())
    file = FILE.replace(b"RIFF", b"RIFF" + b"\r\n--" * (size // 4))
    other = part("prompt", b"search", '; filename="x; name=model"')
    parts = [model, other, file] if first else [other, file, model]
    body = b"".join([*parts, END])

    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    [request] = provider.requests
    assert answer.status == 404  # of the provider, which has no such path
    assert request.body == body.replace(model, model.replace(b"search", b"gpt-5-mini"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (FILE + END, "no_model"),
        (part("model", b"") + END, "no_model"),
        (part("model", b"search") + part("model", b"other") + END, "no_model"),
        (part("Model", b"search") + END, "no_model"),
        (part("model", b"x" * 600) + END, "no_model"),
        (part("model", b"nope") + END, "unknown_endpoint"),
        (part("model", b"search"), "bad_form"),
        (part("model", b"search").replace(b"; name", b"; nam"), "bad_form"),
        (part("model", b"search", '; name="file"') + END, "bad_form"),
        (
            part("x", b"1").replace(b"\r\n\r\n", b"\r\nContent-Disposition: a; name=model\r\n\r\n"),
            "bad_form",
        ),
        (part("x", b"1", "\r\nX-Y: " + "y" * 9000) + END, "bad_form"),
        (part("x", b"1") * 1_001 + END, "bad_form"),
        (part("x", b"1") + f"--{BOUNDARY}x\r\n".encode() + END, "bad_form"),
        (part("x", b"1", "\r\nX-Y: " + "y" * 8000) * 9 + END, "bad_form"),
        (b"", "bad_form"),
        (b"{}", "bad_form"),
    ],
)
def test_a_form_without_one_model_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, body: bytes, code: str
) -> None:
    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert answer.code == code
    assert not provider.requests


@pytest.mark.parametrize(
    "other",
    [
        part("x", b"1", '; filename="\\"; name="model"'),
        part("x", b"1", ';\r\n name="model"'),
        part("x", b"1", '; name*0="mod"; name*1="el"'),
        part("x", b"1", '\r\nX: a\nContent-Disposition: form-data; name="model"'),
        part("x", b"1").replace(b'name="x"', b"name*=utf-8''model"),
        part("x", b"a\n" + part("model", b"other").replace(b"\r\n", b"\n")),
        part("x", b"a" + part("model", b"other")),
        END + part("model", b"other"),
    ],
)
def test_a_model_that_only_some_servers_would_find_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, other: bytes
) -> None:
    body = part("model", b"search") + other + END

    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert (answer.status, answer.code) == (400, "bad_form")
    assert not provider.requests


def test_the_type_of_a_form_is_known_in_capitals(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    headers = {"Content-Type": f"Multipart/Form-Data; Boundary={BOUNDARY}"}

    ask(gateway, AUDIO, part("model", b"search") + END, token=token, headers=headers)

    [request] = provider.requests
    assert request.body == part("model", b"gpt-5-mini") + END


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "; boundary=",
        '; boundary="',
        "; boundary=@",
        f'; x="; boundary=other"; boundary={BOUNDARY}',
        f"; boundary={BOUNDARY}; boundary=other",
    ],
)
def test_a_form_without_a_boundary_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, parameters: str
) -> None:
    headers = {"Content-Type": f"multipart/form-data{parameters}"}

    answer = ask(gateway, AUDIO, part("model", b"search") + END, token=token, headers=headers)

    assert (answer.status, answer.code) == (400, "bad_form")
    assert not provider.requests


VALUES = st.binary(max_size=30) | st.sampled_from([b"", b"\r\n", b"\r\n--", b"--made-up", b"\r"])


@given(st.lists(st.tuples(st.sampled_from("abc"), VALUES), max_size=4), VALUES, st.data())
def test_a_form_is_read_the_same_however_it_is_split(
    others: list[tuple[str, bytes]], model: bytes, data: st.DataObject
) -> None:
    parts = [part(name, value) for name, value in others]
    place = data.draw(st.integers(0, len(parts)))
    body = b"".join([*parts[:place], part("model", model), *parts[place:], END])
    start = sum(map(len, parts[:place])) + len(part("model", b"")) - 2
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    scanner = FormScanner(BOUNDARY.encode())

    for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        scanner.feed(body[begin:end])

    assert scanner.is_ended
    assert scanner.model == (start, start + len(model))


def test_a_second_model_after_the_first_was_sent_on_breaks_the_request_off(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    file = part("file", b"x" * 2 * MB)
    body = part("model", b"search") + file + part("model", b"other") + END

    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert (answer.status, answer.code) == (400, "no_model")
    assert not provider.requests  # which saw no complete one


# Memory, limits and fallbacks


@contextmanager
def recording_provider() -> Iterator[tuple[str, bytearray, threading.Event]]:
    """Yield the URL of a provider, what has arrived there, and when it may answer."""
    seen, may_answer = bytearray(), threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(0.05)
            while not may_answer.is_set():
                try:
                    seen.extend(connection.recv(MB))
                except TimeoutError:
                    continue
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen, may_answer
        may_answer.set()
        thread.join(5)


def test_a_file_passes_before_all_of_it_is_there_and_takes_no_memory(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    start = part("model", b"search") + part("file", b"")[:-2]
    size = 48 * MB
    declared = len(start) + size + 2 + len(END)
    head = f"POST /gateway{AUDIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {declared}\r\n"
    head += "Connection: close\r\n\r\n"
    most = 0
    with recording_provider() as (url, seen, may_answer), dial(gateway) as client:
        make_endpoint("search", key_at(url=url))
        client.sendall(head.encode() + start)
        for sent in range(size // MB):
            client.sendall(b"x" * MB)
            eventually(lambda: len(seen) > sent * MB - 512 * 1024)  # noqa: B023
            most = max(most, *(running._memory.used for running in _gateways.values()), 0)
        client.sendall(b"\r\n" + END)
        eventually(lambda: seen.endswith(END))
        may_answer.set()
        response = read_to_the_end(client)

    length = re.search(rb"content-length: (\d+)", bytes(seen[:2000]), re.IGNORECASE)
    assert response.startswith(b"HTTP/1.1 200 ")
    assert length is not None
    assert int(length[1]) == declared + len("gpt-5-mini") - len("search")
    assert len(seen) - seen.index(b"\r\n\r\n") - 4 == int(length[1])
    assert most <= 2 * uploads.HELD


def test_a_file_of_unknown_length_is_sent_in_chunks(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    parts = [part("model", b"search"), part("file", b"x" * MB), END]
    head = f"POST /gateway{AUDIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {FORM['Content-Type']}\r\nTransfer-Encoding: chunked\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in [*parts, b""])

    with dial(gateway) as client:
        client.sendall(head.encode() + b"Connection: close\r\n\r\n" + chunks)
        read_to_the_end(client)

    [request] = provider.requests
    assert request.body == b"".join(parts).replace(b"search", b"gpt-5-mini")


def test_a_file_larger_than_the_limit_is_refused(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, settings: Any
) -> None:
    settings.GATEWAY_MAX_UPLOAD_MB = 1
    body = part("model", b"search") + part("file", b"x" * 2 * MB) + END

    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert (answer.status, answer.code) == (413, "body_too_large")
    assert not provider.requests


def test_a_file_before_its_model_is_held_within_the_limit_of_bodies(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint, settings: Any
) -> None:
    settings.GATEWAY_MAX_BODY_MB = 1
    body = part("file", b"x" * 2 * MB) + part("model", b"search") + END

    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert (answer.status, answer.code) == (413, "body_too_large")
    assert not provider.requests


def test_a_client_that_stops_in_the_middle_of_a_file_gets_an_error(
    gateway: str,
    provider: Provider,
    token: str,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "PIECE_SECONDS", 0.3)
    body = part("model", b"search") + part("file", b"x" * MB) + END
    head = f"POST /gateway{AUDIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"

    with dial(gateway) as client:
        client.sendall(head.encode() + body[:-5])
        response = read_to_the_end(client)

    assert response.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in response
    assert not provider.requests


def test_a_client_that_leaves_in_the_middle_of_a_file_leaves_nothing_behind(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    body = part("model", b"search") + part("file", b"x" * MB) + END
    head = f"POST /gateway{AUDIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    with dial(gateway) as client:
        client.sendall(head.encode() + body[:-5])
        eventually(lambda: provider.open_connections)

    eventually(lambda: not provider.open_connections)

    eventually(lambda: not any(running._memory.used for running in _gateways.values()))
    assert not provider.requests
    assert chat(gateway, token).status == 200


@pytest.mark.parametrize(("size", "served_by"), [(1_000, "second"), (2 * MB, "first")])
def test_a_small_form_falls_back_and_a_large_one_that_was_sent_does_not(
    gateway: str,
    provider: Provider,
    token: str,
    key_at: KeyAt,
    make_endpoint: MakeEndpoint,
    size: int,
    served_by: str,
) -> None:
    with Provider().running() as second:
        endpoint = make_endpoint("search", key_at())
        endpoint.routes.create(
            api_key=key_at("second", url=second.url), model="m", kind="fallback", weight=0
        )
        provider.script(AUDIO, Response(status=503), repeat=True)
        second.script(AUDIO, json_response({"text": "Hi"}))
        body = part("model", b"search") + part("file", b"x" * size) + END

        answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert len(provider.requests) == 1
    assert len(second.requests) == (served_by == "second")
    assert answer.status == (200 if served_by == "second" else 503)


def test_a_large_form_falls_back_if_nothing_of_it_was_sent(
    gateway: str, provider: Provider, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
    endpoint = make_endpoint("search", key_at("dead", url=nowhere))
    endpoint.routes.create(api_key=key_at(), model="m", kind="fallback", weight=0)
    provider.script(AUDIO, json_response({"text": "Hi"}))
    body = part("model", b"search") + part("file", b"x" * 2 * MB) + END

    answer = ask(gateway, AUDIO, body, token=token, headers=FORM)

    [request] = provider.requests
    assert answer.status == 200
    assert request.body == body.replace(b"search", b"m")


def test_an_early_response_of_a_provider_is_passed_on(
    gateway: str, token: str, key_at: KeyAt, make_endpoint: MakeEndpoint
) -> None:
    body = part("model", b"search") + part("file", b"x" * 8 * MB) + END
    head = f"POST /gateway{AUDIO} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    with recording_provider() as (url, seen, may_answer), dial(gateway) as client:
        make_endpoint("search", key_at(url=url))
        client.sendall(head.encode() + body[:MB])
        eventually(lambda: len(seen) > MB // 2)
        may_answer.set()
        response = client.recv(65536)

    assert response.startswith(b"HTTP/1.1 200 ")


def test_a_file_is_not_sent_on_a_connection_that_may_just_be_closing(
    gateway: str, provider: Provider, token: str, endpoint: Endpoint
) -> None:
    """What was sent of it on such a connection could not be sent again."""
    chat(gateway, token)
    before = set(provider.connections)
    body = part("model", b"search") + part("file", b"x" * MB) + END

    ask(gateway, AUDIO, body, token=token, headers=FORM)

    assert len(before) == 1
    assert len(provider.connections) == 2
    assert len(provider.requests) == 2
