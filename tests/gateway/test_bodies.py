"""A caller's body: the value of the outermost "model" is replaced, and not a byte beside it."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from endpoints.gateway.bodies import MAX_KEYS, MAX_STRUCTURE, Body, GoogleBody
from endpoints.gateway.problems import Problem

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


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, str]:
    """Return a JSON object with a NUL in place of the outermost model, and that model."""
    members = draw(st.dictionaries(NAMES.filter(lambda name: name != "model"), VALUES, max_size=5))
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
@example(('{"MODEL":"x","model":\x00,"z":"\\u00e9"}', "search"), "gpt", True)
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
def test_what_is_put_in_reads_as_what_was_meant(drawn: tuple[str, str], chosen: str) -> None:
    template, model = drawn
    body = Body(template.replace("\x00", json.dumps(model)).encode())

    said = json.loads(body.with_model(chosen))

    assert said == {**json.loads(template.replace("\x00", json.dumps(model))), "model": chosen}


@given(st.dictionaries(NAMES.filter(lambda name: name != "model"), VALUES, max_size=4), NAMED)
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
    except Problem as problem:
        assert (problem.status, problem.code) == (400, "no_model")  # noqa: PT017 - both ways are right
        assert not (isinstance(named, str) and named)
    else:
        assert body.model == named
        assert body.is_chat == ("messages" in said)


@given(st.binary(max_size=40))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"model":' * 100_000)
@example(b'{"model":"x"}{"model":"y"}')
@example(b'{"model":"x"},')
@example(b'\xef\xbb\xbf{"model":"x"}')
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
    with pytest.raises(Problem) as refused:
        Body(raw)

    assert refused.value.status == 400
    assert refused.value.code in ("not_json", "no_model")


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
    with pytest.raises(Problem, match="no_model"):
        Body(raw)


def test_a_body_that_says_model_everywhere_is_refused_and_not_pored_over() -> None:
    many = ",".join('{"model":"x"}' for _ in range(MAX_KEYS + 1))

    with pytest.raises(Problem, match="no_model"):
        Body(f'{{"model":"search","a":[{many}]}}'.encode())


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


def test_a_body_of_too_many_parts_is_refused_and_not_pored_over() -> None:
    many = b"[]," * MAX_STRUCTURE
    raw = b'{"model":"models/gem","x":[' + many + b'0],"model":"models/gem"}'

    with pytest.raises(Problem, match="too_complex"):
        GoogleBody(raw, "gem")
