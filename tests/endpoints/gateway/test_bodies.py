"""A caller's body: the value of the outermost "model" is replaced, and not a byte beside it."""

import asyncio
import json
import time
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from endpoints.gateway.http.bodies import (
    MAX_KEYS,
    MAX_NAMED,
    SLICE,
    SLICED,
    Body,
    GoogleBody,
    in_turns,
    outline_if_needed,
    outline_of,
)
from endpoints.gateway.http.problems import Refusal

from .event_loops import run

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"model":"x"', "model", '\\"model\\": ', "{[", "]}", "\\", '\\\\"', "Model", "MODEL", "\u2028"]
)
NAMES = TEXTS | st.sampled_from(["model", "models", "messages", "stream"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)
SEPARATORS = st.tuples(
    st.sampled_from([",", ", ", " ,\n\t", " , "]), st.sampled_from([":", ": ", "\t:\r\n "])
)
NAMED = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


async def read(raw: bytes, *facts: Any) -> Body:
    return Body(raw, *facts, outline=await outline_if_needed(asyncio.Lock(), raw))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, str]:
    """Return a JSON object with a NUL in place of the outermost model, and that model."""
    members = draw(
        st.dictionaries(NAMES.filter(lambda name: name.lower() != "model"), VALUES, max_size=5)
    )
    place = draw(st.integers(0, len(members)))
    comma, colon = draw(SEPARATORS)
    plain = draw(st.booleans())
    pairs = [
        dumps(name, plain) + colon + dumps(value, plain, (comma, colon))
        for name, value in members.items()
    ]
    pairs.insert(place, draw(spelled("model")) + colon + "\x00")
    return draw(st.sampled_from(["", " ", "\r\n\t"])) + "{" + comma.join(pairs) + " }", draw(NAMED)


@st.composite
def spelled(draw: st.DrawFn, name: str) -> str:
    """Return ``name`` as a JSON text, any of its letters escaped."""
    forms = [
        st.sampled_from([letter, f"\\u{ord(letter):04x}", f"\\u{ord(letter):04X}"])
        for letter in name
    ]
    return '"' + "".join(draw(form) for form in forms) + '"'


def dumps(value: Any, plain: bool, separators: tuple[str, str] | None = None) -> str:
    return json.dumps(value, ensure_ascii=plain, separators=separators)


@given(bodies(), NAMED, st.booleans())
@example(('{"a":{"MODEL":"x"},"model":\x00,"z":"\\u00e9"}', "search"), "gpt", True)
@example(('{"z":"\\u006dodel","mode\\u006C" : \x00 }', "search"), "gpt", True)
@example(('{"a":{"model":"\\"model\\":"},"model":\x00}', '"model":"x"'), "\\", False)
def test_only_the_outermost_model_is_replaced(
    drawn: tuple[str, str], chosen: str, plain: bool
) -> None:
    template, model = drawn
    raw = template.replace("\x00", dumps(model, plain)).encode()

    body = Body(raw)

    assert body.model == model
    assert body.with_model(chosen) == template.replace("\x00", json.dumps(chosen)).encode()


@given(bodies(), NAMED)
def test_with_model_changes_only_the_model(drawn: tuple[str, str], chosen: str) -> None:
    template, model = drawn
    body = Body(template.replace("\x00", json.dumps(model)).encode())

    said = json.loads(body.with_model(chosen))

    assert said == {**json.loads(template.replace("\x00", json.dumps(model))), "model": chosen}


@given(
    st.dictionaries(NAMES.filter(lambda name: name.lower() != "model"), VALUES, max_size=4), NAMED
)
def test_a_model_is_put_first_where_there_need_not_be_one(said: dict[str, Any], model: str) -> None:
    raw = json.dumps(said).encode()

    inserted = Body(raw, model_required=False).with_model(model)

    assert inserted.endswith(raw[1:])
    assert json.loads(inserted) == {**said, "model": model}


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_object_is_understood_or_refused(said: dict[str, Any]) -> None:
    named = said.get("model")

    try:
        body = Body(json.dumps(said).encode())
    except Refusal as problem:
        assert (problem.status, problem.code) == (400, "no_model")  # noqa: PT017 - both ways are right
        assert not (isinstance(named, str) and named) or {"Model", "MODEL"} & {*said}
    else:
        assert body.model == named
        assert body.is_chat == ("messages" in said)


@given(st.binary(max_size=40))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"model":' * 100_000)
@example(b'{"model":"x"}{"model":"y"}')
@example(b'{"model":"x"},')
@example('{"model":"x"}'.encode("utf-16"))
@example(b'{"model":"\xff"}')
@example(b'{"model":"x\n"}')
@example(b"{'model':'x'}")
@example(b'{"model":"x",}')
@example(b'{"model":NaN}')
@example(b'[{"model":"x"}]')
@example(b'"model"')
@example(b"null")
@example(b"model=search&messages=hi")
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        Body(raw)

    assert refused.value.status == 400
    assert refused.value.code in ("not_json", "no_model", "too_complex")


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"model":""}',
        b'{"model":null}',
        b'{"model":5}',
        b'{"model":["search"]}',
        b'{"model":{"model":"search"}}',
        b'{"Model":"search"}',
        b'{"a":{"model":"search"}}',
        b'{"model":"search","model":"other"}',
        b'{"model":"search","mode\\u006c":"other"}',
        b'{"model":null,"model":"search"}',
    ],
)
def test_the_model_is_named_once_or_not_at_all(raw: bytes) -> None:
    with pytest.raises(Refusal, match="no_model"):
        Body(raw)


def test_a_body_that_says_model_everywhere_is_refused() -> None:
    many = ",".join('{"model":"x"}' for _ in range(MAX_KEYS + 2))

    with pytest.raises(Refusal, match="too_complex"):
        Body(f'{{"model":"search","a":[{many}]}}'.encode())


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"search","Model":"other"}',
        b'{"MODEL":"other","model":"search"}',
        b'{"model":"search","\\u004dodel":"other"}',
        b'{"model":"search","a":[1,"{"],"mod\\u0045l" :"other"}',
        b'{"model":"search","Model":null}',
    ],
)
@pytest.mark.parametrize("model_required", [True, False])
@pytest.mark.parametrize("padding", [0, SLICED])
def test_a_model_in_other_case_is_refused(raw: bytes, model_required: bool, padding: int) -> None:
    """Go's JSON decoder ignores the case of keys and takes the last one."""
    raw = raw[:-1] + b',"x":"%b"}' % (b"a" * padding)

    with pytest.raises(Refusal, match="no_model"):
        run(read(raw, model_required))


def test_a_model_in_other_case_is_refused_where_none_is_needed() -> None:
    with pytest.raises(Refusal, match="no_model"):
        Body(b'{"Model":"other"}', model_required=False)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":{"Model":"x"},"model":"search"}',
        b'{"model":"search","Models":[]}',
        b'{"model":"search","a":"Model"}',
        b'{"model":"search","a":"\\"Model\\":1"}',
    ],
)
def test_other_models_in_other_case_are_none_of_ours(raw: bytes) -> None:
    assert Body(raw).with_model("gpt") == raw.replace(b"search", b"gpt")


@given(bodies(), NAMED, st.integers(1, 40))
@settings(max_examples=200)
def test_a_scan_in_slices_sees_what_a_parser_sees(
    drawn: tuple[str, str], chosen: str, size: int
) -> None:
    template, model = drawn
    raw = template.replace("\x00", json.dumps(model)).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("endpoints.gateway.http.bodies.SLICE", size)
        patch.setattr("endpoints.gateway.http.bodies.SLICED", 0)
        body = run(read(raw))

    assert body.model == model
    assert body.is_chat == ("messages" in json.loads(raw))
    assert body.with_model(chosen) == template.replace("\x00", json.dumps(chosen)).encode()


LARGE = SLICED + 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"x","a":"%b"' % (b"a" * LARGE),
        b'{"model":"x","a":"%b}' % (b"a" * LARGE),
        b'{"model":"x","a":"%b",}' % (b"a" * LARGE),
        b'["model","%b"]' % (b"a" * LARGE),
        b'{"model":"x","a":"%b"}}' % (b"a" * LARGE),
        b'{"model":"x","a":"%b"}{"b":0}' % (b"a" * LARGE),
        b"{'model':'x','a':%b}" % (b"1" * LARGE),
        b"a" * LARGE,
    ],
)
def test_a_large_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal, match="not_json"):
        run(read(raw))


MEGABYTES = 2_000_000
WIDE = {
    "arrays": b'"x":[%b[]]' % (b"[]," * (MEGABYTES // 3)),
    "numbers": b'"x":[%b0]' % (b"1," * (MEGABYTES // 2)),
    "strings": b'"x":[%b0]' % (b'"",' * (MEGABYTES // 3)),
    "keys": b'"x":{%b"":0}' % (b'"":0,' * (MEGABYTES // 5)),
    "escapes": b'"x":"%b"' % (rb"\"" * (MEGABYTES // 2)),
    "backslashes": b'"x":"%b"' % (rb"\\" * (MEGABYTES // 2)),
    "letters": b'"x":"%b"' % (rb"\u006d" * (MEGABYTES // 6)),
    "spellings": b'"x":["%b"]' % (rb'","\u006dode' * (MEGABYTES // 12)),
    "deep": b'"x":%b0%b' % (b"[" * (MEGABYTES // 2), b"]" * (MEGABYTES // 2)),
    "text": b'"x":"%b"' % (b"a" * MEGABYTES),
}


@pytest.mark.parametrize("kind", WIDE)
def test_a_large_body_is_scanned_in_slices(kind: str) -> None:
    """Whatever is in it, there is a pause after each few kilobytes."""
    raw = b'{%b,"a":{"model":"q"},"model":"ep"}' % WIDE[kind]

    steps = list(outline_of(raw))
    body = run(read(raw))

    assert len(steps) >= len(raw) // (SLICE + 1)
    assert body.with_model("gpt") == raw.replace(b'"ep"', b'"gpt"')


def test_of_many_large_bodies_one_slice_is_scanned_in_a_turn_of_the_loop() -> None:
    """And each has its turn: none waits for the whole of another."""
    finished, scanned, most = [], 0, 0

    def steps(name: str, slices: int) -> Generator[None, None, str]:
        nonlocal scanned
        for _ in range(slices):
            scanned += 1
            yield
        finished.append(name)
        return name

    async def main() -> None:
        nonlocal scanned, most
        turn, loop = asyncio.Lock(), asyncio.get_running_loop()
        sizes = {"a": 40, "b": 40, "c": 3}
        tasks = [loop.create_task(in_turns(steps(*size), turn)) for size in sizes.items()]
        while len(finished) < len(sizes):
            most, scanned = max(most, scanned), 0
            await asyncio.sleep(0)
        assert [await task for task in tasks] == list(sizes)

    run(main())

    assert most == 1
    assert finished[0] == "c"


@pytest.mark.parametrize("value", [b'"model",', b'{"model":1},', b'"me\\u0073sages",'])
def test_a_body_that_names_the_model_too_often_is_refused(value: bytes) -> None:
    raw = b'{"x":[%b0],"model":"ep"}' % (value * (MAX_NAMED + 1))

    with pytest.raises(Refusal, match="too_complex"):
        run(read(raw))


@pytest.mark.parametrize("gap", [b'"model"%b:"q"', b'"model":%b"q"'])
def test_a_key_is_not_hidden_behind_white_space(gap: bytes) -> None:
    raw = b'{"model":"ep",%b}' % (gap % (b" " * SLICED))

    with pytest.raises(Refusal, match=r"too_complex|no_model"):
        run(read(raw))


@given(VALUES, NAMED)
def test_googles_bodies_keep_all_but_the_model_of_their_path(said: Any, model: str) -> None:
    raw = json.dumps({"requests": [{"model": "models/gem", "content": said}]}).encode()

    replaced = GoogleBody(raw, "gem").with_model(model)

    expected = {"requests": [{"model": f"models/{model}", "content": said}]}
    assert replaced == json.dumps(expected).encode()
    assert GoogleBody(raw, "other").with_model(model) == raw


def test_a_text_that_does_not_end_is_looked_through_once() -> None:
    raw = b'"' + rb"\"" * 100_000 + b' "model":"models/gem"'  # minutes, if each began a search

    assert GoogleBody(raw, "gem").raw == raw


@pytest.mark.parametrize("padding", [0, LARGE])
@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbf{"model":"search","a":1}',
        b'\xef\xbb\xbf \n{"a":1,"model":"search"}',
        b'{"model":"search","a":"\\ud83d"}',
        b'{"a":"\\uDE00 \\\\ud83d","model":"search"}',
        b'{"\\ud83d":["\\udfff\\ud800"],"model":"search"}',
    ],
)
def test_valid_json_that_few_parsers_take_passes(raw: bytes, padding: int) -> None:
    """RFC 8259 lets a parser ignore a byte order mark, and allows half of a surrogate pair."""
    raw = raw[:-1] + b',"x":"%b"}' % (b"a" * padding)

    body = run(read(raw))

    assert body.model == "search"
    assert body.with_model("gpt") == raw.replace(b"search", b"gpt")


@pytest.mark.parametrize("padding", [0, LARGE])
@pytest.mark.parametrize(
    ("beginning", "end"),
    [
        (b'{"model":"search","a":', b"NaN}"),
        (b'{"model":"search","a":1', b"; }"),
        (b'{"model":"search","a":["]}{",true ', b"false]}"),
        (b'{"model":"search"}', b" {}"),
        (b'\xef\xbb\xbf{"model":"search","a":[1,2', b":3]}"),
        (b'{"model":"search","a":"\\"\\\\","b":', b"'x'}"),
        (b'{"a":"', b""),
        (b'{"a":{"b":[1]', b""),
    ],
)
def test_invalid_json_is_reported_with_its_place(
    beginning: bytes, end: bytes, padding: int
) -> None:
    """Of a large body too, whose strings were not parsed."""
    filler = b'"x":"%b \\" {",' % (b"a" * padding)
    beginning = beginning.replace(b"{", b"{" + filler, 1)

    with pytest.raises(Refusal, match="not_json") as refused:
        run(read(beginning + end))

    place = len(beginning) + len(end) - len(end.lstrip())
    assert f"at byte {place} of {len(beginning + end)}" in refused.value.message


def test_the_place_of_an_error_is_looked_for_in_a_bounded_part() -> None:
    """A quote behind a backslash outside of a string looks like the beginning of one."""
    raw = b'{"model":"x","a":\\"' + b"y" * 20 * MEGABYTES + b'"}'
    started = time.process_time()

    with pytest.raises(Refusal, match="not_json"):
        run(read(raw))

    assert time.process_time() - started < 2  # of which nearly all is the scan


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"[1]", "it is of the type array"),
        (b"--x\r\n", "it is a form"),
        (b"\x1f\x8b\x08", "it is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
        ('{"model":"x"}'.encode("utf-16"), "it is UTF-16"),
        (b'{"model":"ab\xff"}', "it is not UTF-8, at byte 12 of 15"),
    ],
)
def test_what_is_no_json_at_all_is_named(raw: bytes, why: str) -> None:
    with pytest.raises(Refusal, match="not_json") as refused:
        Body(raw)

    assert why in refused.value.message
